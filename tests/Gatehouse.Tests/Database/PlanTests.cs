using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Gatehouse.Database;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>What a statement costs does not grow with its tables: SQLite's plan of every one uses an index, or it is listed here with its reason.</summary>
[Trait(TestDatabase.SqliteOnly, "yes")]
public sealed partial class PlanTests : GatehouseTest
{
    private const string OfFixtures = "FixtureModels.All";

    // A class, or one of its statements, and why it may go through a table.
    private static readonly Dictionary<string, string> MayScan = new()
    {
        ["Migrations"] = "at the start, of small tables",
        ["UserList.All"] = "lists the users",
        ["UserAccounts.One"] = "whether there is any user, at the start",
        ["IssuedAuthTokens"] = "the verb notbefore",
        ["IssuedJwts"] = "the same",
        ["IssuedOAuthTokens"] = "the same",
        ["AdminDatabase.AllPermissions"] = "a few for each model of the project",
        ["AdminDatabase.ContentTypes"] = "one for each model of the project",
        ["DeviceAuthorization.Insert"] = "django-oauth-toolkit has no index on user_code; such rows live for minutes, and are swept",
        ["DevicePages.ByUserCode"] = "the same",
        ["JwtUsers.ByEmail"] = "USER_ID_FIELD email: Django's own table has no index on it, and Django goes through it too",
        ["PasswordReset.ByEmail"] = "the same; behind the answer, and ten times in an hour from one network",
        ["AdminOperations.OtherSuperuser"] = "when a superuser deletes their own account",
        [OfFixtures] = "loaddata and dumpdata",
        ["PostgresDb"] = "PostgreSQL's words",
        ["PostgresTx"] = "the same",
    };

    // Of these a row is found by this column alone, since the others may be the same in a million rows: a client's, or a user's.
    private static readonly string[] FindsOne = ["token_checksum", "jti", "code", "device_code", "client_id", "session_key", "key", "username"];

    protected override Task StartAsync() => Task.CompletedTask;

    [Theory]
    [InlineData("auth.User", "", "username")]
    [InlineData("accounts.User", "", "username")]
    [InlineData("people.Member", "members", "email")]
    [InlineData("logins.Account", "", "email")]
    public async Task No_statement_of_a_request_goes_through_a_table(string model, string table, string usernameField)
    {
        Func<string, string> respell = text => text;
        if (model != "auth.User")
        {
            await RestoreAsync(model);
            var server = await StartServerAsync(options =>
            {
                (options.UserModel.Model, options.UserModel.Table, options.UserModel.UsernameField) = (model, table, usernameField);
                // Such users would need values for columns of the project's own.
                options.Accounts.RegistrationOpen = false;
            });
            respell = server.Get<Db>().Texts.Respell!;
        }
        // They are made when they are used; here they are made first, so that what else ran in this process decides nothing.
        foreach (var one in typeof(FixtureModel).GetProperties().Where(property => property.PropertyType.IsAssignableTo(typeof(Sql))))
            foreach (var fixture in FixtureModels.All) one.GetValue(fixture);
        var ofFixtures = In(FixtureModels.All, depth: 4).ToHashSet<object>(ReferenceEqualityComparer.Instance);
        // The admin site's models hold the fixtures' models.
        var statements = Statements().Select(one => ofFixtures.Contains(one.Sql) ? one with { Owner = OfFixtures } : one).ToList();
        // A reader of static fields that finds nothing would find no fault either.
        Assert.True(statements.Count > 200, $"{statements.Count} statements");

        await using var connection = SqliteFile.Connect();
        var (faults, excused) = (new List<string>(), new HashSet<string>());
        foreach (var (type, owner, sql) in statements)
        {
            var excuse = MayScan.ContainsKey(owner) ? owner : owner.Split('.')[0];
            var found = MayScan.ContainsKey(excuse) ? [] : faults;
            // Models of the project's own: UserModel.InsertText stands in its place, and they are not the admin site's.
            if (model != "auth.User" && (owner == "UserAccounts.Insert" || type.Namespace == "Gatehouse.Administration")) continue;
            var text = respell(sql.Text);
            try
            {
                var plan = new List<string>();
                foreach (var statement in text.Split(';')) plan.AddRange(await PlanAsync(connection, statement));
                found.AddRange(plan.Where(step => step.StartsWith("SCAN ", StringComparison.Ordinal) && !Small().IsMatch(step)).Select(step => $"{owner}: {step}"));
                found.AddRange(FindsOne
                    .Where(column => Regex.IsMatch(text, $@"WHERE (\w\.)?{column} = @") && !plan.Exists(step => step.Contains($"{column}=?", StringComparison.Ordinal)))
                    .Select(column => $"{owner}: finds by another column than {column}: {string.Join("; ", plan)}"));
            }
            catch (SqliteException error)
            {
                found.Add($"{owner}: {error.Message}");
            }
            if (found != faults && found.Count > 0) excused.Add(excuse);
        }
        Assert.True(faults.Count == 0, string.Join('\n', faults));
        // What needs no excuse has none.
        if (model == "auth.User") Assert.Empty(MayScan.Keys.Except(excused));
    }

    private static async Task<List<string>> PlanAsync(SqliteConnection connection, string sql)
    {
        await using var command = connection.CreateCommand();
        command.CommandText = "EXPLAIN QUERY PLAN " + sql;
        foreach (var name in Parameter().Matches(sql).Select(match => match.Value).Distinct()) command.Parameters.AddWithValue(name, 1);
        await using var reader = await command.ExecuteReaderAsync(Ct);
        var steps = new List<string>();
        while (await reader.ReadAsync(Ct)) steps.Add(reader.GetString(3));
        return steps;
    }

    /// <summary>Every statement that stands in a static field of the library, alone, in a list or in what is made of several.</summary>
    private static IEnumerable<(Type Type, string Owner, Sql Sql)> Statements()
    {
        foreach (var type in typeof(GatehouseOptions).Assembly.GetTypes().Where(type => !type.ContainsGenericParameters && type.GetCustomAttribute<CompilerGeneratedAttribute>() is null))
            foreach (var field in type.GetFields(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                foreach (var sql in In(field.IsLiteral ? null : field.GetValue(null), depth: 4))
                    yield return (type, $"{type.Name}.{field.Name}", sql);
    }

    private static IEnumerable<Sql> In(object? value, int depth) => value switch
    {
        _ when depth == 0 => [],
        Sql sql => [sql],
        null or string or Delegate or Type => [],
        IEnumerable several => several.Cast<object?>().SelectMany(one => In(one, depth - 1)),
        ITuple tuple => Enumerable.Range(0, tuple.Length).SelectMany(i => In(tuple[i], depth - 1)),
        _ when value.GetType() is var type && type.Assembly == typeof(Sql).Assembly =>
            type.GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic).SelectMany(field => In(field.GetValue(value), depth - 1)),
        _ => [],
    };

    private async Task RestoreAsync(string model)
    {
        File.Delete(SqliteFile.Path);
        // Tables come in the order of the dump, whatever they refer to.
        await using var connection = new SqliteConnection($"Data Source={SqliteFile.Path};Pooling=False;Foreign Keys=False");
        await connection.OpenAsync(Ct);
        await using var command = connection.CreateCommand();
        command.CommandText = await File.ReadAllTextAsync(Path.Combine(DatabaseFile.Root, "tests", "Gatehouse.Tests", "Users", "UserModels", model + ".sql"), Ct);
        await command.ExecuteNonQueryAsync(Ct);
    }

    // Not a table of the database: a list within the statement, one row, what a subquery has found, or what SQLite says of itself; or the index
    // that holds only what is looked for.
    [GeneratedRegex(@"\ASCAN (?:gatehouse_audit USING INDEX gatehouse_audit_unsealed\z|CONSTANT ROW\z|[0-9]+-ROW VALUES CLAUSE\z|page\z|sqlite_master\z|\(|pragma_)")]
    private static partial Regex Small();

    [GeneratedRegex("@[a-z_]+")]
    private static partial Regex Parameter();
}
