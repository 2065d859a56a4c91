using Gatehouse.Database;
using Microsoft.Data.Sqlite;

namespace Gatehouse.Tests.Database;

/// <summary>A database file of the test's own, with a plain connection beside the kit for building and comparing.</summary>
internal sealed class DatabaseFile : IDisposable
{
    public static readonly string Root = FindRoot();

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("gatehouse-tests-");
    private readonly List<Db> open = [];

    public string Path => System.IO.Path.Combine(folder.FullName, "app.db");

    public static string Parity(string file) => File.ReadAllText(System.IO.Path.Combine(Root, "tests", "Parity", file));

    public Db Open()
    {
        var db = new Db($"sqlite:///{Path}");
        open.Add(db);
        return db;
    }

    public void Execute(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>The rows as text, columns parted by <c>|</c>.</summary>
    public List<string> Rows(string sql)
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

    public SqliteConnection Connect()
    {
        var connection = new SqliteConnection($"Data Source={Path};Pooling=False;Foreign Keys=True");
        connection.Open();
        return connection;
    }

    public void Dispose()
    {
        foreach (var db in open) db.Dispose();
        folder.Delete(recursive: true);
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
