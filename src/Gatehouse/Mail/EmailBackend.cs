using System.Globalization;
using System.Net;
using System.Net.Mail;
using System.Net.Mime;
using System.Security.Cryptography;
using System.Text;

namespace Gatehouse.Mail;

/// <summary>Where messages go (Django's <c>BaseEmailBackend</c>).</summary>
internal abstract class EmailBackend
{
    public abstract Task SendAsync(EmailMessage message, CancellationToken ct);

    /// <summary>The back end of the settings.</summary>
    /// <exception cref="SettingException">A setting cannot work; the message says which.</exception>
    public static EmailBackend Of(EmailOptions options, TimeProvider clock)
    {
        if (options.UseSsl)
            throw new SettingException("EMAIL_USE_SSL is not supported: .NET's mail client encrypts by STARTTLS only. Write EMAIL_USE_TLS with EMAIL_PORT 587.");
        if (options.Port is < 1 or > 65535) throw new SettingException("EMAIL_PORT must be from 1 to 65535.");
        if (options.Timeout is { } timeout && (timeout <= TimeSpan.Zero || timeout > TimeSpan.FromHours(1)))
            throw new SettingException("EMAIL_TIMEOUT must be between a second and an hour.");
        if (!MailAddress.TryCreate(options.DefaultFromEmail, out var from) || options.DefaultFromEmail.Any(char.IsControl))
            throw new SettingException("DEFAULT_FROM_EMAIL is no address; write for example \"Example <noreply@example.com>\".");

        return Kind(options.Backend) switch
        {
            "smtp" => new SmtpBackend(options, from),
            "console" => new ConsoleBackend(from, clock),
            "file" when options.FilePath.Length == 0 => throw new SettingException("EMAIL_FILE_PATH is missing: the file back end needs a folder to write to."),
            "file" => new FileBackend(options.FilePath, from, clock),
            _ => throw new SettingException($"EMAIL_BACKEND is '{options.Backend}', which this version does not have. Write smtp, console or file."),
        };
    }

    // django.core.mail.backends.console.EmailBackend is console.
    private static string Kind(string backend) =>
        backend.StartsWith("django.core.mail.backends.", StringComparison.Ordinal) && backend.EndsWith(".EmailBackend", StringComparison.Ordinal)
            ? backend.Split('.')[^2] switch { "filebased" => "file", var name => name }
            : backend.ToLowerInvariant();

    /// <summary>As it would go over the wire, with the text as it is: for people to read.</summary>
    protected static string Text(EmailMessage message, MailAddress from, DateTimeOffset now) => string.Create(
        CultureInfo.InvariantCulture,
        $"""
        Content-Type: text/plain; charset="utf-8"
        MIME-Version: 1.0
        Content-Transfer-Encoding: 8bit
        Subject: {message.Subject}
        From: {from}
        To: {message.To}
        Date: {now:ddd, dd MMM yyyy HH:mm:ss} +0000

        {message.Body}
        """) + "\n" + new string('-', 79) + "\n";
}

/// <summary>A mail server (Django's <c>smtp.EmailBackend</c>).</summary>
internal sealed class SmtpBackend(EmailOptions options, MailAddress from) : EmailBackend
{
    private readonly TimeSpan timeout = options.Timeout ?? TimeSpan.FromSeconds(30);

    public override async Task SendAsync(EmailMessage message, CancellationToken ct)
    {
        using var client = new SmtpClient(options.Host, options.Port) { EnableSsl = options.UseTls };
        if (options.HostUser.Length > 0) client.Credentials = new NetworkCredential(options.HostUser, options.HostPassword);
        using var mail = new MailMessage(from, new MailAddress(message.To))
        {
            Subject = message.Subject,
            Body = message.Body,
            SubjectEncoding = Encoding.UTF8,
            BodyEncoding = Encoding.UTF8,
            BodyTransferEncoding = TransferEncoding.QuotedPrintable,
        };
        // SmtpClient's own timeout is for its synchronous methods.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(ct);
        limit.CancelAfter(timeout);
        await client.SendMailAsync(mail, limit.Token);
    }
}

/// <summary>Standard output, for one's own machine (Django's <c>console.EmailBackend</c>).</summary>
internal sealed class ConsoleBackend(MailAddress from, TimeProvider clock) : EmailBackend
{
    public override Task SendAsync(EmailMessage message, CancellationToken ct) => Console.Out.WriteAsync(Text(message, from, clock.GetUtcNow()).AsMemory(), ct);
}

/// <summary>A file for each message, its owner's alone (Django's <c>filebased.EmailBackend</c>).</summary>
internal sealed class FileBackend(string folder, MailAddress from, TimeProvider clock) : EmailBackend
{
    public override Task SendAsync(EmailMessage message, CancellationToken ct)
    {
        DataFolder.Make(folder);
        var now = clock.GetUtcNow();
        var name = string.Create(CultureInfo.InvariantCulture, $"{now:yyyyMMdd-HHmmss}-{RandomNumberGenerator.GetHexString(12, lowercase: true)}.log");
        DataFolder.TryCreate(Path.Combine(folder, name), Encoding.UTF8.GetBytes(Text(message, from, now)));
        return Task.CompletedTask;
    }
}
