using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.OAuth.Clients;
using Xunit;

namespace Gatehouse.Tests.OAuth.Clients;

/// <summary>Held against parsers that are not ours: what we take, they read as we do.</summary>
public sealed class StrictUriTests
{
    private const string Python = """
        import json, sys
        from urllib.parse import urlsplit
        for line in sys.stdin:
            try:
                u = urlsplit(json.loads(line))
                print(json.dumps([u.scheme, u.hostname, u.port, u.path, u.query, u.fragment, '@' in u.netloc]))
            except ValueError:
                print('null')
        """;

    private const string Node = """
        const lines = require('fs').readFileSync(0, 'utf8').split('\n').filter(x => x);
        for (const line of lines) {
          let u = null;
          try { u = new URL(JSON.parse(line)); } catch (e) { }
          console.log(JSON.stringify(u && [u.protocol.slice(0, -1), u.hostname, u.port, u.pathname, u.search, u.hash, u.username + u.password]));
        }
        """;

    private static readonly string[] Seeds =
    [
        "https://app.example.com/cb", "https://app.example.com:8443/a/b?c=d&e", "http://127.0.0.1:8080/cb", "http://[::1]:80/x", "com.example.app:/cb", "my-app://host/p?q", "urn:a:b",
        "https://[2001:db8::ffff:192.0.2.1]/", "https://xn--bcher-kva.example/cb;p=1", "ftp://files.example.com/", "https://a_b.example.com", "https://a.example.com/%2F%20%41?%zz", "http://192.0.2.7",
        "https://*.example.com/", "wss://h.example/",
    ];

    private static readonly string[] Pieces =
    [
        "/", "//", "\\", "@", ":", "::", "?", "#", "%", "%2e", "%2F", "%00", ".", "..", "[", "]", "*", "_", "-", "+", "=", "&", ";", ",", "'", "(", ")", "!", "$", "~", "|", "^", "`", "{", "}", "\"",
        "<", ">", " ", "\t", "\n", "\r", "\0", "0", "1", "9", "00", "127", "256", "0x7f", "65535", "65536", "a", "Z", "xn--", "com", "ä", "ａ", "。", "／", "\u200d", "\u00ad", "evil.com", "https:", "javascript:", "localhost",
    ];

    [Fact]
    public async Task Python_and_browsers_read_it_alike()
    {
        // The order that a fixed seed gives: a failure can be seen again.
        var random = new Random(20260701);
        var texts = new HashSet<string>(Seeds);
        while (texts.Count < 150_000) texts.Add(Mutated(Seeds[random.Next(Seeds.Length)], random));
        var read = texts.Select(text => (Text: text, Uri: StrictUri.Read(text)!)).Where(one => one.Uri is { HasDotSegments: false }).ToList();
        Assert.True(read.Count > 5_000, $"Only {read.Count} were taken: the test would show nothing.");

        var input = string.Concat(read.Select(one => JsonSerializer.Serialize(one.Text) + "\n"));
        var wrong = new List<string>();
        Compare(await RunAsync("python3", ["-c", Python], input), (uri, theirs) =>
            theirs[0]!.GetValue<string>() == uri.Scheme && theirs[1]?.GetValue<string>() == uri.Host && theirs[2]?.GetValue<int>() == uri.Port
            && theirs[3]!.GetValue<string>() == uri.Path && theirs[4]!.GetValue<string>() == (uri.Query ?? "") && theirs[5]!.GetValue<string>().Length == 0 && !theirs[6]!.GetValue<bool>());
        Compare(await RunAsync("node", ["-e", Node], input), (uri, theirs) =>
            theirs[0]!.GetValue<string>() == uri.Scheme && HostIs(theirs[1]!.GetValue<string>(), uri) && PortIs(theirs[2]!.GetValue<string>(), uri)
            && (theirs[3]!.GetValue<string>() == uri.Path || uri.Path.Length == 0 && theirs[3]!.GetValue<string>() == "/")
            && theirs[4]!.GetValue<string>().TrimStart('?') == Escaped(uri) && theirs[5]!.GetValue<string>().Length == 0 && theirs[6]!.GetValue<string>().Length == 0);
        Assert.Empty(wrong);

        void Compare(string[]? lines, Func<StrictUri, JsonArray, bool> same)
        {
            if (lines is null) return;
            Assert.Equal(read.Count, lines.Length);
            foreach (var ((text, uri), line) in read.Zip(lines))
                // Browsers go nowhere with what they cannot read: an invalid xn-- label, for example.
                if (JsonNode.Parse(line) is JsonArray theirs && !same(uri, theirs)) wrong.Add($"{text} is {line}");
        }
    }

    private static string Mutated(string text, Random random)
    {
        var changes = random.Next(1, 4);
        for (var i = 0; i < changes; i++)
        {
            var at = random.Next(text.Length + 1);
            var cut = random.Next(3) == 0 ? Math.Min(random.Next(4), text.Length - at) : 0;
            text = text[..at] + (random.Next(6) == 0 ? "" : Pieces[random.Next(Pieces.Length)]) + text[(at + cut)..];
        }
        return text;
    }

    private static bool HostIs(string theirs, StrictUri uri) =>
        uri.Host is null ? theirs.Length == 0
        : uri.Host.Contains(':') ? System.Net.IPAddress.Parse(theirs).Equals(System.Net.IPAddress.Parse(uri.Host))
        : theirs.Equals(uri.Host, StringComparison.OrdinalIgnoreCase);

    private static bool PortIs(string theirs, StrictUri uri) =>
        theirs == $"{uri.Port}" || theirs.Length == 0 && (uri.Scheme, uri.Port) is ("http" or "ws", 80) or ("https" or "wss", 443) or ("ftp", 21);

    // An apostrophe is the same, escaped or not.
    private static string Escaped(StrictUri uri) =>
        uri.Scheme is "http" or "https" or "ws" or "wss" or "ftp" ? (uri.Query ?? "").Replace("'", "%27", StringComparison.Ordinal).TrimStart('?') : (uri.Query ?? "").TrimStart('?');

    // Null where the program is not installed.
    private static async Task<string[]?> RunAsync(string program, string[] arguments, string input)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, StandardInputEncoding = new UTF8Encoding(false) };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
        using (process)
        {
            var output = process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            return (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        }
    }
}
