using Gatehouse.Database;
using Xunit;

namespace Gatehouse.Tests.Database;

public class RoundTripsTests
{
    [Fact(Timeout = 60_000)]
    public async Task What_comes_alone_goes_alone_and_what_comes_meanwhile_goes_together()
    {
        var asked = new Server();
        await asked.Ask();
        var (first, held) = await asked.AskAndHoldAsync();
        var others = Enumerable.Range(0, 5).Select(_ => asked.Ask()).ToList();
        held.SetResult();
        await first;
        await Task.WhenAll(others);

        Assert.Equal([1, 1, 5], asked.Loads);
    }

    [Fact(Timeout = 60_000)]
    public async Task A_second_round_trip_begins_beside_one_that_hangs_for_a_full_load_only()
    {
        var asked = new Server();
        var (first, held) = await asked.AskAndHoldAsync();
        var others = Enumerable.Range(0, 31).Select(_ => asked.Ask()).ToList();
        Assert.Single(asked.Loads);
        others.Add(asked.Ask());
        await Task.WhenAll(others);
        Assert.False(first.IsCompleted);
        Assert.Equal([1, 32], asked.Loads);
        held.SetResult();
        await first;
    }

    [Fact(Timeout = 60_000)]
    public async Task A_second_begins_when_the_first_takes_long_and_takes_all_that_waits()
    {
        var asked = new Server();
        var (first, held) = await asked.AskAndHoldAsync();
        var waiting = asked.Ask();
        asked.Clock.Advance(TimeSpan.FromMilliseconds(50));
        await Task.WhenAll(waiting, asked.Ask());

        Assert.False(first.IsCompleted);
        Assert.Equal([1, 2], asked.Loads);
        held.SetResult();
        await first;
    }

    [Fact(Timeout = 60_000)]
    public async Task What_is_given_up_before_it_is_sent_is_not_sent()
    {
        var asked = new Server();
        var (first, held) = await asked.AskAndHoldAsync();
        var (givenUp, wanted) = (asked.Ask(isGivenUp: true), asked.Ask());
        held.SetResult();
        await Task.WhenAll(first, wanted);

        Assert.False(givenUp.IsCompleted);
        Assert.Equal([1, 1], asked.Loads);
    }

    // Few, so that none who comes later finds what was left behind for one who waits.
    [Theory(Timeout = 60_000)]
    [InlineData(2, 60_000)]
    [InlineData(3, 40_000)]
    [InlineData(64, 2_000)]
    public async Task Nothing_is_left_behind_when_what_comes_meets_what_ends(int callers, int times)
    {
        var asked = new Server();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(_ => Task.Run(
            async () =>
            {
                for (var n = 0; n < times; n++) await asked.Ask().WaitAsync(TimeSpan.FromSeconds(20));
            },
            TestContext.Current.CancellationToken)));

        Assert.Equal(callers * times, asked.Loads.Sum());
        Assert.True(asked.MostAtOnce <= RoundTrips<IAsked>.MostAtATime, $"{asked.MostAtOnce} at a time");
    }

    /// <summary>Notes how many come in each load, and answers them at once or, while it is held, when it is let go.</summary>
    private sealed class Server
    {
        private readonly RoundTrips<Question> roundTrips;
        private readonly Lock guard = new();
        private Holding? hold;
        private int atOnce;

        public Server() => roundTrips = new RoundTrips<Question>(SendAsync, Clock);

        public StillClock Clock { get; } = new();

        public List<int> Loads { get; } = [];

        public int MostAtOnce { get; private set; }

        public Task Ask(bool isGivenUp = false)
        {
            var one = new Question(isGivenUp);
            roundTrips.Add(one);
            return one.Answer.Task;
        }

        /// <summary>Asks one whose load does not end before it is let go; returns when that is under way.</summary>
        public async Task<(Task Asked, TaskCompletionSource LetGo)> AskAndHoldAsync()
        {
            var holding = hold = new Holding();
            var one = Ask();
            await holding.Begun.Task;
            return (one, holding.LetGo);
        }

        private async Task SendAsync(List<Question> together)
        {
            Holding? held;
            lock (guard)
            {
                (held, hold) = (hold, null);
                Loads.Add(together.Count);
                MostAtOnce = Math.Max(MostAtOnce, ++atOnce);
            }
            held?.Begun.SetResult();
            if (held is null) await Task.Yield();
            else await held.LetGo.Task;
            lock (guard) atOnce--;
            foreach (var one in together) one.Answer.SetResult();
        }
    }

    private sealed class Holding
    {
        public TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource LetGo { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    private sealed class StillClock : TimeProvider
    {
        private long ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref ticks);

        public void Advance(TimeSpan time) => Interlocked.Add(ref ticks, time.Ticks);
    }

    private sealed class Question(bool isGivenUp) : IAsked
    {
        public TaskCompletionSource Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public bool IsGivenUp() => isGivenUp;
    }
}
