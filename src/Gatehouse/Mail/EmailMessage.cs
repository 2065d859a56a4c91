using Gatehouse.Users;

namespace Gatehouse.Mail;

/// <summary>A message of plain text to one address (Django's <c>EmailMessage</c>).</summary>
/// <remarks>Not a record: its <c>ToString</c> would print what is a secret between us and its reader into a log.</remarks>
internal sealed class EmailMessage
{
    /// <exception cref="ArgumentException">Address or subject cannot stand in a header (Django's <c>BadHeaderError</c>).</exception>
    public EmailMessage(string to, string subject, string body)
    {
        if (EmailAddress.Check(to) is not null || to.Any(char.IsControl)) throw new ArgumentException("The address is none that mail can go to.", nameof(to));
        if (subject.Any(char.IsControl)) throw new ArgumentException("A subject may hold no line breaks and control characters.", nameof(subject));
        To = to;
        Subject = subject;
        Body = body;
    }

    public string To { get; }

    public string Subject { get; }

    public string Body { get; }
}
