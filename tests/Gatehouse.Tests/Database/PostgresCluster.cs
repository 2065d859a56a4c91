using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Npgsql;
using Xunit;

namespace Gatehouse.Tests.Database;

/// <summary>A PostgreSQL server of the test run's own, from the machine's programs, in a temporary folder. It ends when this process does, however it ends.</summary>
internal sealed class PostgresCluster
{
    public const string Password = "password-of-the-test-cluster";

    private static readonly Lazy<PostgresCluster> Started = new(() => new PostgresCluster());
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private readonly string folder;
    private readonly string programs;
    private readonly int port;
    private readonly NpgsqlDataSource admin;
    // Held open: when the pipe closes, with this process, the server's keeper ends the server.
    private readonly Process keeper;

    private PostgresCluster()
    {
        programs = Programs ?? throw new InvalidOperationException("PostgreSQL's programs are not installed. On Debian: apt-get install postgresql");
        folder = NewFolder();
        port = FreePort();
        keeper = Start();
        admin = NpgsqlDataSource.Create(Npgsql("postgres") + ";Maximum Pool Size=4");
        WaitUntilUp();
    }

    /// <summary>The one of this run.</summary>
    public static PostgresCluster Shared => Started.Value;

    public static bool IsInstalled => Programs is not null;

    /// <summary>Skips the test where PostgreSQL is not installed.</summary>
    public static void Require()
    {
        if (!IsInstalled) Assert.Skip("PostgreSQL is not installed. On Debian: apt-get install postgresql");
    }

    /// <summary>A cluster for one test that stops and starts it.</summary>
    public static PostgresCluster Private() => new();

    public string Url(string database) => $"postgresql://gatehouse:{Password}@127.0.0.1:{port}/{database}";

    public string Npgsql(string database) => $"Host=127.0.0.1;Port={port};Username=gatehouse;Password={Password};Database={database};Timezone=UTC;Include Error Detail=true";

    public void Execute(string sql)
    {
        using var command = admin.CreateCommand(sql);
        command.ExecuteNonQuery();
    }

    /// <summary>Ends the server at once, as a crash does: its processes are killed, and what it had promised must be in its log.</summary>
    public void Crash() => Control("stop", "-m", "immediate");

    public void StartAgain()
    {
        Control("start", "-w", "-o", $"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder}", "-l", Path.Combine(folder, "log"));
        NpgsqlConnection.ClearAllPools();
        WaitUntilUp();
    }

    /// <summary>The server's processes hang (<c>STOP</c>) or go on (<c>CONT</c>).</summary>
    public void Signal(string signal)
    {
        var first = File.ReadLines(Path.Combine(folder, "data", "postmaster.pid")).First();
        Run("sh", "-c", $"kill -{signal} {first} $(ps -o pid= --ppid {first})");
    }

    public void End()
    {
        admin.Dispose();
        keeper.StandardInput.Close();
        keeper.WaitForExit();
        keeper.Dispose();
    }

    private Process Start()
    {
        // The superuser of the cluster has a password, so that a test sees it if it gets where it should not.
        File.WriteAllText(Path.Combine(folder, "password"), Password);
        if (IsRoot)
        {
            // PostgreSQL refuses to run as root.
            Run("chown", "-R", "postgres", folder);
        }
        var script = $"""
            cd {folder}
            {programs}/initdb -D {folder}/data -U gatehouse --pwfile={folder}/password -A scram-sha-256 -E UTF8 --locale=C.UTF-8 > {folder}/initdb 2>&1 || exit 1
            {programs}/pg_ctl -D {folder}/data -w -l {folder}/log -o "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c max_connections=300 -c max_wal_size=256MB -c timezone=UTC" start > /dev/null 2>&1
            cat > /dev/null
            {programs}/pg_ctl -D {folder}/data -m immediate stop > /dev/null 2>&1
            rm -rf {folder}
            """;
        var start = IsRoot ? new ProcessStartInfo("runuser", ["-u", "postgres", "--", "sh", "-c", script]) : new ProcessStartInfo("sh", ["-c", script]);
        start.RedirectStandardInput = true;
        return Process.Start(start)!;
    }

    private void Control(params string[] arguments)
    {
        string[] command = [Path.Combine(programs, "pg_ctl"), "-D", Path.Combine(folder, "data"), .. arguments];
        if (IsRoot) Run("runuser", ["-u", "postgres", "--", .. command]);
        else Run(command[0], command[1..]);
    }

    private static void Run(string program, params string[] arguments)
    {
        // Not read: a server that pg_ctl starts would keep the pipe open.
        using var process = Process.Start(new ProcessStartInfo(program, arguments))!;
        process.WaitForExit();
    }

    private void WaitUntilUp()
    {
        var began = Stopwatch.StartNew();
        while (true)
        {
            try
            {
                Execute("SELECT 1");
                return;
            }
            catch (NpgsqlException) when (began.Elapsed < Deadline && !keeper.HasExited)
            {
                Thread.Sleep(50);
            }
        }
    }

    private static bool IsRoot => Environment.UserName == "root";

    private static string? Programs { get; } = Find();

    private static string? Find()
    {
        const string debian = "/usr/lib/postgresql";
        var folders = (Directory.Exists(debian) ? Directory.GetDirectories(debian).OrderDescending().Select(version => Path.Combine(version, "bin")) : [])
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator));
        return folders.FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "pg_ctl")));
    }

    /// <summary>In memory where there is room: each test makes and drops a database, and a disk would be waited for. It survives a crash of the server all the same.</summary>
    private static string NewFolder()
    {
        const string memory = "/dev/shm";
        if (OperatingSystem.IsWindows() || !Directory.Exists(memory) || new DriveInfo(memory).AvailableFreeSpace < 2L << 30) return Directory.CreateTempSubdirectory("gatehouse-postgres-").FullName;
        var folder = Path.Combine(memory, "gatehouse-postgres-" + Guid.NewGuid().ToString("N"));
        return Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute).FullName;
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
