using System.Security.Cryptography;
using System.Text;
using Gatehouse.Tests.Database;
using Gatehouse.Users;

namespace Gatehouse.Tests;

/// <summary>Rows of <c>auth_user</c> and what hangs on them, written past the server.</summary>
public sealed class TestUsers
{
    private readonly TestDatabase database;
    private readonly Secrets secrets;

    internal TestUsers(TestDatabase database, Secrets secrets)
    {
        this.database = database;
        this.secrets = secrets;
    }

    /// <summary>The password of a user who was given none in particular.</summary>
    public static string PasswordOf(string username) => $"Correct-horse-{username}";

    public async Task<User> CreateAsync(
        string username, string? password = null, bool isStaff = false, bool isActive = true, bool isSuperuser = false, string email = "", string? encoded = null)
    {
        password ??= PasswordOf(username);
        secrets.Add(password);
        encoded ??= Encode(password);
        var id = (long)(await ScalarAsync(
            """
            INSERT INTO auth_user (password, last_login, is_superuser, username, last_name, email, is_staff, is_active, date_joined, first_name)
            VALUES ($password, NULL, $superuser, $username, '', $email, $staff, $active, '2026-01-01 00:00:00', '') RETURNING id
            """,
            ("$password", encoded), ("$superuser", isSuperuser), ("$username", username), ("$email", email), ("$staff", isStaff), ("$active", isActive)))!;
        return new User { Id = new UserId(id), Username = username, Email = email, IsStaff = isStaff, IsActive = isActive, IsSuperuser = isSuperuser, Password = encoded };
    }

    /// <summary>A hash that costs nothing.</summary>
    public static string Encode(string password)
    {
        const string Salt = "seasaltseasaltseasalt1";
#pragma warning disable CA5351 // What Django calls test data.
        return $"md5${Salt}${Convert.ToHexStringLower(MD5.HashData(Encoding.UTF8.GetBytes(Salt + password)))}";
#pragma warning restore CA5351
    }

    public async Task SetPasswordAsync(User user, string password)
    {
        secrets.Add(password);
        await ExecuteAsync("UPDATE auth_user SET password = $password WHERE id = $id", ("$password", Encode(password)), ("$id", user.Id.Number));
    }

    public Task DeactivateAsync(User user) => ExecuteAsync("UPDATE auth_user SET is_active = 0 WHERE id = $id", ("$id", user.Id.Number));

    /// <summary>As Django deletes: with what belongs to the user, save sessions, which name them only inside.</summary>
    public async Task DeleteAsync(User user)
    {
        foreach (var table in new[] { "authtoken_token", "auth_user_groups", "auth_user_user_permissions" })
            await ExecuteAsync($"DELETE FROM {table} WHERE user_id = $id", ("$id", user.Id.Number));
        await ExecuteAsync("DELETE FROM auth_user WHERE id = $id", ("$id", user.Id.Number));
    }

    public async Task<string> TokenAsync(User user)
    {
        var key = RandomNumberGenerator.GetHexString(40, lowercase: true);
        secrets.Add(key);
        await ExecuteAsync(
            "INSERT INTO authtoken_token (key, created, user_id) VALUES ($key, '2026-01-01 00:00:00', $id)", ("$key", key), ("$id", user.Id.Number));
        return key;
    }

    /// <param name="user">Who gets it.</param>
    /// <param name="codename"><c>add_group</c>, of the app auth.</param>
    /// <param name="byGroup">The name of a group that has it, rather than the user.</param>
    public async Task GrantAsync(User user, string codename, string? byGroup = null)
    {
        var permission = await ScalarAsync("SELECT id FROM auth_permission WHERE codename = $codename", ("$codename", codename));
        if (byGroup is null)
        {
            await ExecuteAsync(
                "INSERT INTO auth_user_user_permissions (user_id, permission_id) VALUES ($user, $permission)", ("$user", user.Id.Number), ("$permission", permission!));
            return;
        }
        var group = await ScalarAsync("INSERT INTO auth_group (name) VALUES ($name) RETURNING id", ("$name", byGroup));
        await ExecuteAsync("INSERT INTO auth_group_permissions (group_id, permission_id) VALUES ($group, $permission)", ("$group", group!), ("$permission", permission!));
        await ExecuteAsync("INSERT INTO auth_user_groups (user_id, group_id) VALUES ($user, $group)", ("$user", user.Id.Number), ("$group", group!));
    }

    private Task<object?> ExecuteAsync(string sql, params (string Name, object? Value)[] parameters) => ScalarAsync(sql, parameters);

    private Task<object?> ScalarAsync(string sql, params (string Name, object? Value)[] parameters) => Task.FromResult(database.Scalar(sql, parameters));
}
