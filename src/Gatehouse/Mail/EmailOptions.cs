namespace Gatehouse.Mail;

/// <summary>How mail is sent (<c>EMAIL_*</c>).</summary>
/// <remarks>Not a record: its <c>ToString</c> would print the password into a log.</remarks>
public sealed class EmailOptions
{
    /// <summary>
    /// <c>smtp</c> (default), <c>console</c> or <c>file</c>, or Django's class path, <c>django.core.mail.backends.console.EmailBackend</c>
    /// (<c>EMAIL_BACKEND</c>).
    /// </summary>
    public string Backend { get; set; } = "smtp";

    /// <summary>Default <c>localhost</c> (<c>EMAIL_HOST</c>).</summary>
    public string Host { get; set; } = "localhost";

    /// <summary>Default 25 (<c>EMAIL_PORT</c>).</summary>
    public int Port { get; set; } = 25;

    /// <summary>Empty, the default: nobody logs in at the mail server (<c>EMAIL_HOST_USER</c>).</summary>
    public string HostUser { get; set; } = "";

    /// <summary>Goes with <see cref="HostUser"/> (<c>EMAIL_HOST_PASSWORD</c>).</summary>
    public string HostPassword { get; set; } = "";

    /// <summary>Encrypt by STARTTLS, and send nothing to a server that has none (<c>EMAIL_USE_TLS</c>). Default false.</summary>
    public bool UseTls { get; set; }

    /// <summary>TLS from the first byte (<c>EMAIL_USE_SSL</c>). Not supported: true stops the start. Default false.</summary>
    public bool UseSsl { get; set; }

    /// <summary>How long one message may take (<c>EMAIL_TIMEOUT</c>). Null, the default: 30 seconds.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>The folder of the <c>file</c> back end (<c>EMAIL_FILE_PATH</c>).</summary>
    public string FilePath { get; set; } = "";

    /// <summary>Who it is from. Default <c>webmaster@localhost</c> (<c>DEFAULT_FROM_EMAIL</c>).</summary>
    public string DefaultFromEmail { get; set; } = "webmaster@localhost";
}
