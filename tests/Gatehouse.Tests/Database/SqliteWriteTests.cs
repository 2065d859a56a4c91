using Gatehouse.Database;
using Gatehouse.Users;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Gatehouse.Tests.Database;

public sealed class SqliteWriteTests : IDisposable
{
    private static readonly Sql Insert = new("INSERT INTO things (value) VALUES (@value)");
    private static readonly Sql InsertBoth = new("INSERT INTO things (value) VALUES (@one);\nINSERT INTO things (value) SELECT @other WHERE changes() = 1;\n");

    private readonly DatabaseFile file = new();
    private readonly SqliteSession session;

    public SqliteWriteTests()
    {
        File.WriteAllBytes(file.Path, []);
        session = new SqliteSession(file.Path, readOnly: false, new SqlTexts(isPostgres: false));
        session.Execute("CREATE TABLE things (id integer PRIMARY KEY, value UNIQUE)");
    }

    public void Dispose()
    {
        session.Dispose();
        file.Dispose();
    }

    public static TheoryData<object?, string> Values => new()
    {
        { null, "null|NULL" },
        { "", "text|''" },
        { "na\u00efve \U0001F511", "text|'na\u00efve \U0001F511'" },
        { "it's", "text|'it''s'" },
        { new string('\u20ac', 512), $"text|'{new string('\u20ac', 512)}'" },
        { new string('\u20ac', 513), $"text|'{new string('\u20ac', 513)}'" },
        { "half \ud83d", "text|'half \ufffd'" },
        { 7, "integer|7" },
        { long.MinValue, "integer|-9223372036854775808" },
        { true, "integer|1" },
        { 0.5, "real|0.5" },
        { Array.Empty<byte>(), "blob|X''" },
        { new byte[] { 0, 255 }, "blob|X'00FF'" },
        { new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(1)), "text|'2026-01-02 02:04:05'" },
        { new Guid("00112233-4455-6677-8899-aabbccddeeff"), "text|'00112233445566778899aabbccddeeff'" },
        { new UserId(5), "integer|5" },
        { new JsonText("{}"), "text|'{}'" },
    };

    [Theory]
    [MemberData(nameof(Values))]
    public void A_value_is_stored_as_Django_spells_it(object? value, string stored)
    {
        // What ran before leaves nothing behind.
        session.Run(Insert, [("value", "before")]);

        Assert.Equal(1, session.Run(Insert, [("value", value)]));

        Assert.Equal(["text|'before'", stored], file.Rows("SELECT typeof(value) || '|' || quote(value) FROM things ORDER BY id"));
    }

    [Fact]
    public void A_text_with_a_zero_in_it_is_whole()
    {
        session.Run(Insert, [("value", "a\0b")]);

        Assert.Equal(["610062"], file.Rows("SELECT hex(value) FROM things"));
    }

    [Fact]
    public void Of_several_statements_each_sees_what_the_one_before_did()
    {
        Assert.Equal(2, session.Run(InsertBoth, [("one", 1), ("other", 2)]));

        var error = Assert.Throws<SqliteException>(() => session.Run(InsertBoth, [("one", 2), ("other", 3)]));

        Assert.Equal((19, 2067), (error.SqliteErrorCode, error.SqliteExtendedErrorCode));
        Assert.Contains("things.value", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, session.Run(InsertBoth, [("one", 4), ("other", 5)]));
        Assert.Equal(["1", "2", "4", "5"], file.Rows("SELECT value FROM things ORDER BY id"));
    }

    [Fact]
    public void What_changes_nothing_says_so()
    {
        session.Run(Insert, [("value", 1)]);

        Assert.Equal(0, session.Run(new Sql("UPDATE things SET value = 2 WHERE value = @value"), [("value", 9)]));
        Assert.Equal(0, session.Run(new Sql("SELECT value FROM things"), []));
    }

    [Fact]
    public void Parameters_are_those_of_the_statement_in_one_order()
    {
        Assert.Contains("'@value'", Assert.Throws<ArgumentException>(() => session.Run(Insert, [("values", 1)])).Message, StringComparison.Ordinal);
        session.Run(InsertBoth, [("one", 1), ("other", 2)]);

        Assert.Throws<ArgumentException>(() => session.Run(InsertBoth, [("other", 4), ("one", 3)]));
        Assert.Throws<ArgumentException>(() => session.Run(InsertBoth, [("one", 3)]));
        Assert.Throws<ArgumentException>(() => session.Run(InsertBoth, [("one", 'c'), ("other", 3)]));
        Assert.Equal(["1", "2"], file.Rows("SELECT value FROM things ORDER BY id"));
    }

    [Fact]
    public void What_SQLite_does_not_understand_is_its_own_error()
    {
        var error = Assert.Throws<SqliteException>(() => session.Run(new Sql("INSERT INTO elsewhere VALUES (1)"), []));

        Assert.Contains("no such table: elsewhere", error.Message, StringComparison.Ordinal);
    }
}
