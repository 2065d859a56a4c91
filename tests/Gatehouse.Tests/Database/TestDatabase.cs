using Gatehouse.Database;

namespace Gatehouse.Tests.Database;

/// <summary>A database of the test's own, SQLite or PostgreSQL, with a plain connection beside the kit for building and comparing.</summary>
internal abstract class TestDatabase : IDisposable
{
    /// <summary>A trait of tests that are about SQLite's file and are left out when the suite runs on PostgreSQL.</summary>
    public const string SqliteOnly = "SqliteOnly";

    /// <summary>A trait of tests of the suite that are about what PostgreSQL alone has.</summary>
    public const string PostgresOnly = "PostgresOnly";

    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("gatehouse-tests-");
    private readonly List<Db> open = [];

    /// <summary>Whether the suite runs on PostgreSQL: <c>GATEHOUSE_TEST_DATABASE=postgresql</c>.</summary>
    public static bool IsPostgres { get; } = Environment.GetEnvironmentVariable("GATEHOUSE_TEST_DATABASE") is "postgresql";

    public static TestDatabase New() => IsPostgres ? new PostgresDatabase() : new DatabaseFile();

    /// <summary>That of programs that run in a folder, not made yet.</summary>
    public static TestDatabase Of(TempFolder folder)
    {
        if (!IsPostgres) return new DatabaseFile(folder["gatehouse-data/gatehouse.db"]);
        var database = new PostgresDatabase();
        database.MakeEmpty();
        return database;
    }

    /// <summary>What a program that uses it is started with.</summary>
    public virtual (string Name, string Value)[] Settings => [("Gatehouse__Database", Url)];

    /// <summary>For what the test needs beside the database; goes with it.</summary>
    public string Folder => folder.FullName;

    public abstract string Url { get; }

    /// <summary>Makes it, migrated.</summary>
    public abstract Task MakeAsync();

    public Db Open()
    {
        var db = Db.Open(Url);
        open.Add(db);
        return db;
    }

    public void Execute(string sql) => Scalar(sql);

    /// <param name="sql">Its parameters are written <c>$name</c>.</param>
    /// <param name="parameters">Named so too.</param>
    public abstract object? Scalar(string sql, params (string Name, object? Value)[] parameters);

    /// <summary>The rows as text as SQLite keeps them, columns parted by <c>|</c>.</summary>
    public abstract List<string> Rows(string sql);

    /// <summary>What the audit log has; nothing when the test has broken the database.</summary>
    public List<string> AuditRows()
    {
        try
        {
            return Rows("SELECT event, username, about, client, address, detail FROM gatehouse_audit ORDER BY id");
        }
        catch (System.Data.Common.DbException)
        {
            return [];
        }
    }

    /// <summary>Rows that refer to rows which are not there, and damage: PostgreSQL has neither.</summary>
    public virtual List<string> BrokenReferences() => [];

    public void Dispose()
    {
        foreach (var db in open) db.Dispose();
        Drop();
        folder.Delete(recursive: true);
    }

    protected virtual void Drop()
    {
    }
}
