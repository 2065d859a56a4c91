using System.Net;
using System.Net.Sockets;
using Gatehouse.Mail;
using Xunit;

namespace Gatehouse.Tests.Mail;

public sealed class EmailBackendTests : IDisposable
{
    private readonly MailFolder folder = new();
    private readonly TestClock clock = new();

    public void Dispose() => folder.Dispose();

    [Theory]
    [InlineData("subject\r\nBcc: evil@example.com", "alice@example.com")]
    [InlineData("subject\n", "alice@example.com")]
    [InlineData("subject", "alice@example.com\r\nBcc: evil@example.com")]
    [InlineData("subject", "alice@example.com, evil@example.com")]
    [InlineData("subject", "\"a\tb\"@example.com")]
    [InlineData("subject", "")]
    public void What_would_be_another_header_is_refused(string subject, string to) => Assert.Throws<ArgumentException>(() => new EmailMessage(to, subject, "text"));

    [Theory]
    [InlineData("smtp", typeof(SmtpBackend))]
    [InlineData("django.core.mail.backends.smtp.EmailBackend", typeof(SmtpBackend))]
    [InlineData("django.core.mail.backends.console.EmailBackend", typeof(ConsoleBackend))]
    [InlineData("django.core.mail.backends.filebased.EmailBackend", typeof(FileBackend))]
    [InlineData("Console", typeof(ConsoleBackend))]
    public void Back_ends_have_Djangos_names_and_short_ones(string name, Type type) =>
        Assert.IsType(type, EmailBackend.Of(new EmailOptions { Backend = name, FilePath = folder.Path }, clock));

    [Theory]
    [InlineData("EMAIL_BACKEND")]
    [InlineData("EMAIL_USE_SSL")]
    [InlineData("EMAIL_PORT")]
    [InlineData("EMAIL_TIMEOUT")]
    [InlineData("EMAIL_FILE_PATH")]
    [InlineData("DEFAULT_FROM_EMAIL")]
    public void A_setting_that_cannot_work_is_named(string setting)
    {
        var options = setting switch
        {
            "EMAIL_BACKEND" => new EmailOptions { Backend = "myapp.mail.Pigeon" },
            "EMAIL_USE_SSL" => new EmailOptions { UseSsl = true },
            "EMAIL_PORT" => new EmailOptions { Port = 70_000 },
            "EMAIL_TIMEOUT" => new EmailOptions { Timeout = TimeSpan.Zero },
            "EMAIL_FILE_PATH" => new EmailOptions { Backend = "file" },
            _ => new EmailOptions { DefaultFromEmail = "nobody" },
        };

        Assert.Contains(setting, Assert.Throws<SettingException>(() => EmailBackend.Of(options, clock)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_is_whole_readable_and_its_owners_alone()
    {
        var backend = EmailBackend.Of(new EmailOptions { Backend = "file", FilePath = folder.Path, DefaultFromEmail = "Example <noreply@example.com>" }, clock);

        await backend.SendAsync(new EmailMessage("alice@example.com", "Grüße", "Zeile 1\n.\nZeile 3"), CancellationToken.None);

        var message = Assert.Single(folder.Messages);
        Assert.Contains("Subject: Grüße\nFrom: \"Example\" <noreply@example.com>\nTo: alice@example.com\nDate: Wed, 01 Jul 2026 12:00:00 +0000\n\nZeile 1\n.\nZeile 3\n", message, StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Directory.GetFiles(folder.Path).Single()));
    }

    [Fact]
    public async Task A_mail_server_gets_the_message()
    {
        using var server = new MailServer();
        var backend = EmailBackend.Of(new EmailOptions { Host = "127.0.0.1", Port = server.Port, DefaultFromEmail = "noreply@example.com" }, clock);

        await backend.SendAsync(new EmailMessage("alice@example.com", "Hello", "The text."), CancellationToken.None);

        var heard = await server.Heard;
        Assert.Contains("MAIL FROM:<noreply@example.com>", heard, StringComparison.Ordinal);
        Assert.Contains("RCPT TO:<alice@example.com>", heard, StringComparison.Ordinal);
        Assert.Contains("Subject: Hello", heard, StringComparison.Ordinal);
        Assert.Contains("The text.", heard, StringComparison.Ordinal);
    }

    [Fact]
    public async Task With_TLS_wanted_nothing_goes_to_a_server_that_has_none()
    {
        using var server = new MailServer();
        var backend = EmailBackend.Of(new EmailOptions { Host = "127.0.0.1", Port = server.Port, UseTls = true, HostUser = "mailer", HostPassword = "secret-of-the-mailer" }, clock);

        await Assert.ThrowsAnyAsync<Exception>(() => backend.SendAsync(new EmailMessage("alice@example.com", "Hello", "The text."), CancellationToken.None));

        var heard = await server.Heard;
        Assert.DoesNotContain("RCPT", heard, StringComparison.Ordinal);
        Assert.DoesNotContain("AUTH", heard, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_failure_costs_one_message_and_is_logged_without_it()
    {
        var log = new TestLog();
        var backend = new Failing();
        using var outbox = new Outbox(backend, new Logger<Outbox>(log));
        await outbox.StartAsync(CancellationToken.None);

        outbox.Post(new EmailMessage("alice@example.com", "First", "a link that is secret"));
        outbox.Post(_ => throw new InvalidOperationException("no database"));
        outbox.Post(new EmailMessage("alice@example.com", "Third", "another link that is secret"));
        await outbox.StopAsync(CancellationToken.None);

        Assert.Equal(["First", "Third"], backend.Tried.Order(StringComparer.Ordinal));
        Assert.Equal(3, log.Lines.Count(line => line.Contains("could not be sent", StringComparison.Ordinal)));
        Assert.DoesNotContain(log.Lines, line => line.Contains("secret", StringComparison.Ordinal));
    }

    private sealed class Failing : EmailBackend
    {
        public System.Collections.Concurrent.ConcurrentQueue<string> Tried { get; } = new();

        public override Task SendAsync(EmailMessage message, CancellationToken ct)
        {
            Tried.Enqueue(message.Subject);
            throw new IOException("connection refused");
        }
    }

    private sealed class Logger<T>(TestLog log) : Microsoft.Extensions.Logging.ILogger<T>
    {
        private readonly Microsoft.Extensions.Logging.ILogger inner = log.CreateLogger(typeof(T).Name);

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(Microsoft.Extensions.Logging.LogLevel logLevel) => true;

        public void Log<TState>(
            Microsoft.Extensions.Logging.LogLevel logLevel, Microsoft.Extensions.Logging.EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            inner.Log(logLevel, eventId, state, exception, formatter);
    }

    /// <summary>As much of SMTP as one message takes (RFC 5321), without extensions.</summary>
    private sealed class MailServer : IDisposable
    {
        private readonly TcpListener listener = new(IPAddress.Loopback, 0);

        public MailServer()
        {
            listener.Start();
            Port = ((IPEndPoint)listener.LocalEndpoint).Port;
            Heard = Task.Run(ServeAsync);
        }

        public int Port { get; }

        /// <summary>All that the client sent, once it has gone.</summary>
        public Task<string> Heard { get; }

        public void Dispose() => listener.Dispose();

        private async Task<string> ServeAsync()
        {
            using var client = await listener.AcceptTcpClientAsync();
            using var reader = new StreamReader(client.GetStream());
            await using var writer = new StreamWriter(client.GetStream()) { NewLine = "\r\n", AutoFlush = true };
            var heard = new List<string>();
            try
            {
                await writer.WriteLineAsync("220 ready");
                var inData = false;
                while (await reader.ReadLineAsync() is { } line)
                {
                    heard.Add(line);
                    if (inData && line != ".") continue;
                    var answer = line switch
                    {
                        "." => "250 taken",
                        "DATA" => "354 go on",
                        "QUIT" => "221 bye",
                        _ => "250 ok",
                    };
                    inData = line == "DATA";
                    await writer.WriteLineAsync(answer);
                    if (line == "QUIT") break;
                }
            }
            catch (IOException)
            {
                // The client went away.
            }
            return string.Join('\n', heard);
        }
    }
}
