using System.Threading.Channels;
using Gatehouse.Http;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Mail;

/// <summary>
/// Mail that is sent behind the answers. What it takes to find out whether there is anybody to write to happens here too, so that no answer
/// tells that by its time, and a slow mail server slows nobody down. What waits is lost when the process is killed: whoever misses a message
/// asks again.
/// </summary>
internal sealed class Outbox : BackgroundService
{
    private const int Most = 1000;
    private const int AtOnce = 4;

    private readonly Channel<Func<CancellationToken, Task<IReadOnlyList<EmailMessage>>>> waiting =
        Channel.CreateBounded<Func<CancellationToken, Task<IReadOnlyList<EmailMessage>>>>(Most);

    private readonly EmailBackend backend;
    private readonly ILogger log;

    public Outbox(EmailBackend backend, ILogger<Outbox> log)
    {
        this.backend = backend;
        this.log = log;
    }

    /// <summary>Sends what <paramref name="write"/> returns, soon.</summary>
    public void Post(Func<CancellationToken, Task<IReadOnlyList<EmailMessage>>> write)
    {
        if (!waiting.Writer.TryWrite(write)) log.OutboxFull(Most);
    }

    /// <summary>Sends a message, soon.</summary>
    public void Post(EmailMessage message) => Post(_ => Task.FromResult<IReadOnlyList<EmailMessage>>([message]));

    /// <summary>Finishes what waits, as long as the host lets it.</summary>
    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        waiting.Writer.TryComplete();
        try
        {
            if (ExecuteTask is { } sending) await sending.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // What is left is given up.
        }
        await base.StopAsync(cancellationToken);
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) => Task.WhenAll(Enumerable.Range(0, AtOnce).Select(_ => SendAsync(stoppingToken)));

    private async Task SendAsync(CancellationToken ct)
    {
        await foreach (var write in waiting.Reader.ReadAllAsync(ct))
        {
            try
            {
                foreach (var message in await write(ct)) await backend.SendAsync(message, ct);
            }
            catch (Exception error) when (!ct.IsCancellationRequested)
            {
                // The whole exception could show the message; its kind and text say what is wrong with the server.
                log.NotSent(error.GetType().Name, LogText.Clean(error.Message), LogText.Clean(error.InnerException?.Message ?? ""));
            }
        }
    }
}

internal static partial class MailLog
{
    [LoggerMessage(1701, LogLevel.Error, "A mail could not be sent: {Kind}: {Reason} {Inner}")]
    public static partial void NotSent(this ILogger logger, string kind, string reason, string inner);

    [LoggerMessage(1702, LogLevel.Error, "{Most} mails are waiting already: this one is not sent. Is the mail server down?")]
    public static partial void OutboxFull(this ILogger logger, int most);
}
