using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Tests;

/// <summary>Every line that the servers of a test log, exceptions and all.</summary>
public sealed class TestLog : ILoggerProvider
{
    private readonly ConcurrentQueue<string> lines = new();

    public IReadOnlyCollection<string> Lines => lines;

    public ILogger CreateLogger(string categoryName) => new Category(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Category(TestLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            log.lines.Enqueue($"{logLevel} {name}: {formatter(state, exception)} {exception}");
    }
}

/// <summary>What nobody may read in a log: all secrets that the test knows or that went over the wire.</summary>
public sealed class Secrets
{
    // A shorter text may well stand in a log by chance.
    private const int Shortest = 8;

    private readonly ConcurrentDictionary<string, bool> all = new();

    public int Count => all.Count;

    public void Add(string? secret)
    {
        if (secret?.Length >= Shortest) all.TryAdd(secret, true);
    }

    /// <summary>The lines that hold one, with the secret in front.</summary>
    public IEnumerable<string> FoundIn(IEnumerable<string> lines)
    {
        var text = string.Join('\n', lines);
        return all.Keys.Where(secret => text.Contains(secret, StringComparison.Ordinal))
            .Select(secret => $"'{secret}' in: {text.Split('\n').First(line => line.Contains(secret.Split('\n')[0], StringComparison.Ordinal))}").ToList();
    }
}
