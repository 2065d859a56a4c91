using Gatehouse.Database;
using Xunit;

namespace Gatehouse.Tests.Database;

public sealed class DatabaseUrlTests
{
    [Theory]
    [InlineData("postgresql://amy:secret@db.example:5433/shop", "db.example", 5433, "amy", "secret", "shop")]
    [InlineData("postgres://amy:secret@db.example/shop", "db.example", 5432, "amy", "secret", "shop")]
    [InlineData("POSTGRESQL://amy@db.example/shop", "db.example", 5432, "amy", null, "shop")]
    [InlineData("postgresql://amy:p%40ss%2Fw%3Ard%3F@[::1]:5433/my%20shop", "::1", 5433, "amy", "p@ss/w:rd?", "my shop")]
    [InlineData("postgresql://amy:a:b@%2Frun%2Fpg/shop", "/run/pg", 5432, "amy", "a:b", "shop")]
    [InlineData("postgresql://amy@/shop?host=/run/pg&port=5433", "/run/pg", 5433, "amy", null, "shop")]
    [InlineData("postgresql://amy@one:5433,two:5434,three/shop", "one:5433,two:5434,three", 5432, "amy", null, "shop")]
    [InlineData("Host=db.example;Port=5433;Username=amy;Password=secret;Database=shop", "db.example", 5433, "amy", "secret", "shop")]
    [InlineData("server=one,two; database=shop; user id=amy", "one,two", 5432, "amy", null, "shop")]
    public void Addresses_are_read_as_libpq_and_npgsql_read_them(string url, string host, int port, string user, string? password, string name)
    {
        Assert.True(DatabaseUrl.IsPostgres(url));
        var read = DatabaseUrl.Postgres(url);

        Assert.Equal((host, port, user, password, name), (read.Host, read.Port, read.Username, read.Password, read.Database));
    }

    [Fact]
    public void Parameters_have_libpqs_names_or_npgsqls_and_what_is_not_said_is_bounded()
    {
        var said = DatabaseUrl.Postgres("postgresql://a@h/d?sslmode=verify-full&connect_timeout=3&application_name=mine&Maximum%20Pool%20Size=7&command%20timeout=4");
        Assert.Equal((Npgsql.SslMode.VerifyFull, 3, "mine", 7, 4), (said.SslMode, said.Timeout, said.ApplicationName, said.MaxPoolSize, said.CommandTimeout));

        var unsaid = DatabaseUrl.Postgres("postgresql://a@h/d");
        Assert.Equal((10, 20, 32, "gatehouse"), (unsaid.Timeout, unsaid.CommandTimeout, unsaid.MaxPoolSize, unsaid.ApplicationName));
    }

    [Theory]
    [InlineData("postgresql://amy:hunter2@db.example", "names no database")]
    [InlineData("postgresql://amy:hunt@er2@db.example/shop", "'@' too many")]
    [InlineData("postgresql://amy:hunter2/x@db.example/shop", "'/' or '@'")]
    [InlineData("postgresql://amy:hunter2@db.example:hunter2/shop", "port")]
    [InlineData("postgresql://amy:pw@db.example/shop?hunter2=1", "not known")]
    [InlineData("postgresql://amy:pw@db.example/shop?sslmode=hunter2", "sslmode")]
    [InlineData("postgresql://amy:pw@db.example/shop?connect_timeout=hunter2", "connect_timeout")]
    [InlineData("postgresql://amy:pw@one,two/shop?target_session_attrs=prefer-standby", "target_session_attrs")]
    [InlineData("Host=db.example;Password=hunter2", "names no database")]
    [InlineData("Host=db.example;Password='hunter2", "keyword=value")]
    [InlineData("Host=db.example;Database=shop;Port=hunter2", "port")]
    [InlineData("mysql://amy:hunter2@db.example/shop", "mysql://…")]
    [InlineData("Database=shop;Password=hunter2", "…")]
    public void What_is_wrong_is_named_and_a_password_never(string url, string named)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => DatabaseUrl.Check(url));

        Assert.Contains(named, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunt", error.ToString(), StringComparison.OrdinalIgnoreCase);
    }
}
