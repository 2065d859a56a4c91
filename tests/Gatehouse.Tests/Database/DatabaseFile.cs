using Gatehouse.Database;
using Microsoft.Data.Sqlite;

namespace Gatehouse.Tests.Database;

/// <summary>A database file of the test's own, with a plain connection beside the kit for building and comparing.</summary>
internal sealed class DatabaseFile(string? path = null) : TestDatabase
{
    public static readonly string Root = FindRoot();

    private static readonly Lazy<Task<byte[]>> Migrated = new(MigrateAsync);

    public string Path => path ?? System.IO.Path.Combine(Folder, "app.db");

    public override (string Name, string Value)[] Settings => path is null ? base.Settings : [];

    public override string Url => $"sqlite:///{Path}";

    public override async Task MakeAsync() => await File.WriteAllBytesAsync(Path, await Migrated.Value);

    public static string Parity(string file) => File.ReadAllText(System.IO.Path.Combine(Root, "tests", "Parity", file));

    public override object? Scalar(string sql, params (string Name, object? Value)[] parameters)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        foreach (var (name, value) in parameters) command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command.ExecuteScalar();
    }

    public override List<string> Rows(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        using var reader = command.ExecuteReader();
        var rows = new List<string>();
        while (reader.Read())
            rows.Add(string.Join('|', Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? "NULL" : reader.GetString(i))));
        return rows;
    }

    public override List<string> BrokenReferences() => [.. Rows("SELECT \"table\" FROM pragma_foreign_key_check"), .. Rows("PRAGMA integrity_check").Where(line => line != "ok")];

    public SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={Path};Pooling=False;Foreign Keys=True;Default Timeout=60");
        connection.Open();
        return connection;
    }

    private static async Task<byte[]> MigrateAsync()
    {
        using var file = new DatabaseFile();
        using (var db = Db.Open(file.Url)) await new Migrations(db, TimeProvider.System).ApplyAsync(CancellationToken.None);
        return await File.ReadAllBytesAsync(file.Path);
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        // The checkout, also when the build's output is somewhere else.
        if (!IsRoot(folder)) folder = new DirectoryInfo(SourceFolder());
        while (!File.Exists(System.IO.Path.Combine(folder.FullName, "Gatehouse.slnx")))
            folder = folder.Parent ?? throw new InvalidOperationException("Gatehouse.slnx is in no folder above.");
        return folder.FullName;

        static bool IsRoot(DirectoryInfo? folder)
        {
            for (; folder is not null; folder = folder.Parent)
                if (File.Exists(System.IO.Path.Combine(folder.FullName, "Gatehouse.slnx"))) return true;
            return false;
        }

        static string SourceFolder([System.Runtime.CompilerServices.CallerFilePath] string file = "") => System.IO.Path.GetDirectoryName(file)!;
    }
}
