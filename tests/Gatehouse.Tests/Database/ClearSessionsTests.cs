using Gatehouse.Database;
using Gatehouse.Sessions;
using Xunit;

namespace Gatehouse.Tests.Database;

public sealed class ClearSessionsTests : IDisposable
{
    private readonly DatabaseFile file = new();

    public void Dispose() => file.Dispose();

    [Fact]
    public async Task Expired_sessions_go_in_batches_and_the_others_stay()
    {
        var ct = TestContext.Current.CancellationToken;
        var db = file.Open();
        await new Migrations(db, TimeProvider.System).ApplyAsync(ct);
        file.Execute("""
            WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
            INSERT INTO django_session SELECT 'expired' || i, '', '2024-01-01 00:00:00.000001' FROM n;
            INSERT INTO django_session VALUES ('alive', '', '2099-01-01 00:00:00');
            """);
        var reports = new Reports();
        var sweeper = new Sweeper(db, new GatehouseOptions { Sweeper = { Batch = 1000 } }, TimeProvider.System);

        var deleted = await sweeper.RunAsync([new ClearSessions()], reports, ct);

        Assert.Equal(2500, deleted);
        Assert.Equal([1000, 2000, 2500], reports.All);
        Assert.Equal(["alive"], file.Rows("SELECT session_key FROM django_session"));
        Assert.Equal(0, await sweeper.RunAsync([new ClearSessions()], null, ct));
    }
}

/// <summary>Progress as it was reported, on the spot.</summary>
internal sealed class Reports : IProgress<int>
{
    public List<int> All { get; } = [];

    public void Report(int value) => All.Add(value);
}
