using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.RegularExpressions;
using Xunit;

namespace Gatehouse.Tests.Docs;

/// <summary>What the documents say is so.</summary>
public sealed partial class DocsTests
{
    private const string Settings = "docs/settings.md";

    // Shown, not run: they install, or would run this test again.
    private static readonly string[] NotRun = ["./test", "dotnet pack src/Gatehouse.Server", "dotnet tool install "];

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/quickstart.md")]
    public async Task Every_command_of_the_page_gives_the_answer_it_shows(string name)
    {
        var page = DocPage.Read(name);
        await using var session = new DocSession();
        foreach (var block in page.Blocks.Where(block => block.Language == "sh"))
        {
            var expected = page.ExpectedOf(block);
            var (output, exitCode) = await RunAsync(session, block, name);
            if (expected is null)
                Assert.True(
                    output.Length == 0 && exitCode == 0,
                    $"{name}:{block.Line}: nothing was to come out, but exit code {exitCode} and:\n{output}");
            else
                Assert.True(
                    Pattern(session.WithAddress(expected.Text)).IsMatch(output),
                    $"{name}:{expected.Line}: what came out is not what the page shows.\n--- page\n{expected.Text}--- came\n{output}\n---");
        }
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/quickstart.md")]
    public void Only_commands_that_install_or_test_are_shown_and_not_run(string name)
    {
        var page = DocPage.Read(name);

        Assert.Subset(
            new HashSet<string> { "sh", "text", "json", "console", "csharp" }, page.Blocks.Select(block => block.Language).ToHashSet());
        foreach (var block in page.Blocks.Where(block => block.Language == "console"))
            foreach (var line in block.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
                Assert.True(NotRun.Any(command => line.StartsWith(command, StringComparison.Ordinal)), $"{name}:{block.Line}: {line}");
    }

    [Fact]
    public void Every_relative_link_leads_to_a_file_and_a_heading_that_are_there()
    {
        var dead = new List<string>();
        foreach (var page in DocPage.All())
        {
            foreach (Match link in Link().Matches(page.Text))
            {
                var (target, anchor) = (link.Groups[1].Value, link.Groups[2].Value);
                if (target.Contains("://", StringComparison.Ordinal) || target.StartsWith("mailto:", StringComparison.Ordinal)) continue;

                var path = target.Length == 0 ? page.Name : Path.Combine(Path.GetDirectoryName(page.Name)!, target);
                var full = Path.GetFullPath(path, DocPage.Root);
                var there = File.Exists(full) || Directory.Exists(full);
                if (there && anchor.Length > 0) there = DocPage.Read(Path.GetRelativePath(DocPage.Root, full)).Anchors().Contains(anchor);
                if (!there) dead.Add($"{page.Name}: {link.Value}");
            }
        }

        Assert.Empty(dead);
    }

    [Fact]
    public async Task Every_option_is_in_the_page_of_settings_with_its_type_and_default()
    {
        var page = DocPage.Read(Settings).Text;
        var complete = SettingsPage.Complete(page);
        if (Environment.GetEnvironmentVariable("ACCEPT_SETTINGS") == "1") await File.WriteAllTextAsync(Path.Combine(DocPage.Root, Settings), page = complete, TestContext.Current.CancellationToken);

        Assert.Empty(SettingsPage.MissingIn(page));
        Assert.Empty(SettingsPage.UnexplainedIn(page));
        var wrong = page.Split('\n').Zip(complete.Split('\n')).Where(pair => pair.First != pair.Second).Select(pair => $"- {pair.First}\n+ {pair.Second}");
        Assert.True(page == complete, $"{Settings} has other types or defaults than the options. To correct it: ACCEPT_SETTINGS=1 ./test --filter-class '*DocsTests'\n{string.Join('\n', wrong)}");
    }

    [Fact]
    public void Every_test_that_the_page_of_attacks_names_is_there()
    {
        var tests = typeof(DocsTests).Assembly.GetTypes().SelectMany(type => type.GetMethods().Select(method => $"{type.Name}.{method.Name}")).ToHashSet(StringComparer.Ordinal);

        var missing = TestName().Matches(DocPage.Read("docs/security-tests.md").Text).Select(match => match.Groups[1].Value).Where(name => !tests.Contains(name));

        Assert.Empty(missing);
    }

    [Fact]
    public void The_application_of_the_readme_is_the_one_that_is_tested()
    {
        var shown = DocPage.Read("README.md").Blocks.Single(block => block.Language == "csharp").Text;
        var source = File.ReadAllText(Path.Combine(DocPage.Root, "tests/Gatehouse.Tests/Docs/ReadmeApp.cs")).ReplaceLineEndings("\n");

        var tested = string.Concat(Region().Matches(source).Select(region => region.Groups[1].Value))
            .Replace("        ", "", StringComparison.Ordinal);

        Assert.Equal(tested + "app.Run();\n", shown[(shown.IndexOf("\n\n", StringComparison.Ordinal) + 2)..]);
    }

    [Fact]
    public async Task The_application_of_the_readme_works()
    {
        var ct = TestContext.Current.CancellationToken;
        var folder = Directory.CreateTempSubdirectory("gatehouse-docs-");
        await using (var app = ReadmeApp.Build(folder.FullName, "--urls", "http://127.0.0.1:0"))
        {
            await app.StartAsync(ct);
            using var http = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
            using var user = new FormUrlEncodedContent([new("username", "ali"), new("password", "s3cret-walk")]);
            var registered = await http.PostAsync("/api/accounts/register/", user, ct);
            var token = (await http.PostAsync("/api-token-auth/", user, ct)).Content;
            var key = Regex.Match(await token.ReadAsStringAsync(ct), "[0-9a-f]{40}").Value;
            var basic = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes("ali:s3cret-walk")));

            Assert.Equal(HttpStatusCode.Created, registered.StatusCode);
            Assert.Equal("401 {\"detail\":\"Authentication credentials were not provided.\"}", await GetAsync("/todos", null));
            Assert.Equal("200 The list of ali", await GetAsync("/todos", basic));
            Assert.Equal("401 {\"detail\":\"Authentication credentials were not provided.\"}", await GetAsync("/robots", basic));
            Assert.Equal("200 Tokens only", await GetAsync("/robots", new AuthenticationHeaderValue("Token", key)));

            async Task<string> GetAsync(string path, AuthenticationHeaderValue? credentials)
            {
                using var request = new HttpRequestMessage(HttpMethod.Get, path);
                request.Headers.Authorization = credentials;
                using var response = await http.SendAsync(request, ct);
                return $"{(int)response.StatusCode} {await response.Content.ReadAsStringAsync(ct)}";
            }
        }
        folder.Delete(recursive: true);
    }

    private static async Task<(string Output, int ExitCode)> RunAsync(DocSession session, DocBlock block, string page)
    {
        try
        {
            return await session.RunAsync(block.Text, TestContext.Current.CancellationToken);
        }
        catch (Exception error) when (error is TimeoutException or InvalidOperationException)
        {
            throw new InvalidOperationException($"{page}:{block.Line}: {error.Message}", error);
        }
    }

    /// <summary>A line that is … stands for any lines, … within a line for any text of that line.</summary>
    private static Regex Pattern(string expected) => new(
        "^" + string.Join('\n', expected.Trim('\n').Split('\n').Select(line =>
            line == "…" ? @"[\s\S]*?" : Regex.Escape(line).Replace("…", "[^\n]*", StringComparison.Ordinal))) + @"\z",
        RegexOptions.CultureInvariant, TimeSpan.FromSeconds(10));

    [GeneratedRegex(@"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")]
    private static partial Regex Link();

    [GeneratedRegex(@"`([A-Za-z]+Tests\.[A-Za-z0-9_]+)`")]
    private static partial Regex TestName();

    [GeneratedRegex(@"// <readme>\n([\s\S]*?) *// </readme>")]
    private static partial Regex Region();
}
