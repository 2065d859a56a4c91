using System.Text.RegularExpressions;

namespace Gatehouse.Tests.Mail;

/// <summary>Where the file back end writes: a test's mailbox.</summary>
public sealed partial class MailFolder : IDisposable
{
    private readonly DirectoryInfo folder = Directory.CreateTempSubdirectory("gatehouse-mail-");

    public string Path => folder.FullName;

    public IReadOnlyList<string> Messages => [.. folder.GetFiles("*.log").OrderBy(file => file.Name, StringComparer.Ordinal).Select(file => File.ReadAllText(file.FullName))];

    /// <summary>The messages, once there are that many.</summary>
    public async Task<IReadOnlyList<string>> WaitAsync(int count)
    {
        await Wait.UntilAsync(() => Messages.Count >= count, $"A mailbox with {count} messages");
        return Messages;
    }

    /// <summary>Path and query of the first link that begins with the base.</summary>
    public static string LinkOf(string message, string baseUrl) => Link().Matches(message).Select(match => match.Value).First(link => link.StartsWith(baseUrl + "/", StringComparison.Ordinal))[baseUrl.Length..];

    public static string HeaderOf(string message, string name) => message.Split('\n').First(line => line.StartsWith(name + ": ", StringComparison.Ordinal))[(name.Length + 2)..];

    public void Dispose() => folder.Delete(recursive: true);

    [GeneratedRegex(@"https?://\S+")]
    private static partial Regex Link();
}

/// <summary>A test of a server that sends mail, into a folder.</summary>
public abstract class MailTest : GatehouseTest
{
    protected const string BaseUrl = "https://auth.example.com";

    protected MailFolder Mailbox { get; } = new();

    protected override void Configure(GatehouseOptions options)
    {
        options.Accounts.BaseUrl = BaseUrl;
        options.Email.Backend = "file";
        options.Email.FilePath = Mailbox.Path;
    }

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        await base.DisposeAsync();
        Mailbox.Dispose();
    }
}
