using System.Diagnostics;
using System.Globalization;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Gatehouse.Bench;

/// <summary>One look-up of a token's user, by the driver and by SQLite's own functions: what the driver costs.</summary>
internal static class Lookups
{
    private const string Sql =
        "SELECT u.id, u.username, u.password, u.email, u.first_name, u.last_name, u.is_staff, u.is_active, u.is_superuser "
        + "FROM authtoken_token t JOIN auth_user u ON u.id = t.user_id WHERE t.key = @key";

    private const int Rounds = 20_000;

    public static void Run(string database, string token)
    {
        using var connection = new SqliteConnection($"Data Source={database};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = Sql;
        command.Parameters.Add(new SqliteParameter { ParameterName = "@key" });
        command.Prepare();
        Measure("Microsoft.Data.Sqlite, prepared", () => ByDriver(command, token));

        Check(raw.sqlite3_open_v2(database, out var db, raw.SQLITE_OPEN_READONLY | raw.SQLITE_OPEN_NOMUTEX, null));
        Check(raw.sqlite3_prepare_v2(db, Sql, out var statement));
        Measure("SQLite's functions, prepared", () => ByHand(statement, token));
        statement.Dispose();
        db.Dispose();
    }

    private static int ByDriver(SqliteCommand command, string token)
    {
        command.Parameters[0].Value = token;
        using var reader = command.ExecuteReader();
        if (!reader.Read()) throw new InvalidOperationException("No such token.");
        return (int)reader.GetInt64(0) + reader.GetString(1).Length + reader.GetString(2).Length + reader.GetString(3).Length
            + reader.GetString(4).Length + reader.GetString(5).Length + (int)reader.GetInt64(6) + (int)reader.GetInt64(7) + (int)reader.GetInt64(8);
    }

    private static int ByHand(sqlite3_stmt statement, string token)
    {
        raw.sqlite3_bind_text(statement, 1, token);
        if (raw.sqlite3_step(statement) != raw.SQLITE_ROW) throw new InvalidOperationException("No such token.");
        var sum = (int)raw.sqlite3_column_int64(statement, 0) + Text(1) + Text(2) + Text(3) + Text(4) + Text(5)
            + (int)raw.sqlite3_column_int64(statement, 6) + (int)raw.sqlite3_column_int64(statement, 7) + (int)raw.sqlite3_column_int64(statement, 8);
        raw.sqlite3_reset(statement);
        return sum;

        int Text(int column) => raw.sqlite3_column_text(statement, column).utf8_to_string().Length;
    }

    private static void Measure(string what, Func<int> once)
    {
        var times = new List<double>();
        for (var repeat = 0; repeat < 7; repeat++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            var clock = Stopwatch.StartNew();
            for (var i = 0; i < Rounds; i++) once();
            times.Add(clock.Elapsed.TotalMicroseconds / Rounds);
            if (repeat < 6) continue;
            var bytes = (GC.GetAllocatedBytesForCurrentThread() - before) / Rounds;
            times.Sort();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: median {times[3]:0.00} µs, best {times[0]:0.00} µs, {bytes} bytes"));
        }
    }

    private static void Check(int result)
    {
        if (result != raw.SQLITE_OK) throw new InvalidOperationException($"SQLite answered {result}.");
    }
}
