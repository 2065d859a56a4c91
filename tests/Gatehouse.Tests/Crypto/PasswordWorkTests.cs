using Gatehouse.Crypto;
using Gatehouse.Http;
using Xunit;

namespace Gatehouse.Tests.Crypto;

public sealed class PasswordWorkTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Work_runs_on_a_thread_of_its_own_and_its_result_comes_back()
    {
        using var work = new PasswordWork(threads: 1);

        var name = await work.RunAsync(() => Thread.CurrentThread.Name, Ct);

        Assert.Equal("Gatehouse passwords 1", name);
    }

    [Fact]
    public async Task What_the_work_throws_reaches_the_caller_and_the_thread_goes_on()
    {
        using var work = new PasswordWork(threads: 1);

        await Assert.ThrowsAsync<InvalidTimeZoneException>(() => work.RunAsync<int>(() => throw new InvalidTimeZoneException(), Ct));

        Assert.Equal(1, await work.RunAsync(() => 1, Ct));
    }

    [Fact]
    public async Task No_more_than_its_threads_run_at_once()
    {
        using var work = new PasswordWork(threads: 2, waiting: 100);
        var (running, most) = (0, 0);

        await Task.WhenAll(Enumerable.Range(0, 50).Select(_ => work.RunAsync(
            () =>
            {
                InterlockedMax(ref most, Interlocked.Increment(ref running));
                Thread.Sleep(1);
                return Interlocked.Decrement(ref running);
            },
            Ct)));

        Assert.InRange(most, 1, 2);
    }

    [Fact]
    public async Task One_more_than_may_wait_is_turned_away_and_told_when_to_come_back()
    {
        using var work = new PasswordWork(threads: 1, waiting: 2);
        using var gate = new ManualResetEventSlim();
        var accepted = Enumerable.Range(0, 3).Select(i => work.RunAsync(() => Wait(gate, i), Ct)).ToArray();

        var overloaded = await Assert.ThrowsAsync<OverloadedException>(() => work.RunAsync(() => 9, Ct));

        Assert.True(overloaded.RetryAfter > TimeSpan.Zero);
        gate.Set();
        var results = await Task.WhenAll(accepted);
        Assert.Equal([0, 1, 2], results);
        Assert.Equal(9, await work.RunAsync(() => 9, Ct));
    }

    [Fact]
    public async Task A_caller_that_gives_up_while_waiting_costs_no_work_and_frees_its_place()
    {
        using var work = new PasswordWork(threads: 1, waiting: 1);
        using var gate = new ManualResetEventSlim();
        using var cancellation = new CancellationTokenSource();
        var running = work.RunAsync(() => Wait(gate, 1), Ct);
        var worked = false;
        var waiting = work.RunAsync(() => worked = true, cancellation.Token);

        await cancellation.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        var next = work.RunAsync(() => 2, Ct);
        gate.Set();
        Assert.Equal((1, 2), (await running, await next));
        Assert.False(worked);
    }

    [Fact]
    public async Task A_caller_that_has_already_given_up_costs_no_work()
    {
        using var work = new PasswordWork(threads: 1, waiting: 0);
        var worked = false;

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => work.RunAsync(() => worked = true, new CancellationToken(canceled: true)));

        Assert.Equal(1, await work.RunAsync(() => 1, Ct));
        Assert.False(worked);
    }

    [Fact]
    public async Task Disposing_finishes_what_runs_and_gives_up_what_waits()
    {
        var work = new PasswordWork(threads: 1, waiting: 1);
        using var gate = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        var running = work.RunAsync(
            () =>
            {
                begun.Set();
                return Wait(gate, 1);
            },
            Ct);
        begun.Wait(Ct);
        var waiting = work.RunAsync(() => 2, Ct);

        var disposing = Task.Run(work.Dispose, Ct);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        gate.Set();
        await disposing;

        Assert.Equal(1, await running);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => work.RunAsync(() => 3, Ct));
    }

    private static int Wait(ManualResetEventSlim gate, int result)
    {
        gate.Wait(Ct);
        return result;
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = most; value > seen; seen = most) Interlocked.CompareExchange(ref most, value, seen);
    }
}
