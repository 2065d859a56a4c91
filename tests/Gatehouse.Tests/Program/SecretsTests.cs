using System.Net.Http.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using System.Web;
using Gatehouse.Tests.Database;
using Gatehouse.Tests.Mail;
using OtpNet;
using Xunit;

namespace Gatehouse.Tests.Program;

/// <summary>
/// Through all doors of the program, with its log turned up as far as it goes: nothing that was secret stands in the log, the audit log, the
/// statistics or the counts. (Every other test looks so too, at what it saw.)
/// </summary>
public sealed partial class SecretsTests : IAsyncDisposable
{
    private const string SecretKey = "key-of-the-secrets-0123456789-abcdefghijklmnopqrstuvwxyz";
    private const string Callback = "https://client.example/cb";
    private const string Verifier = "a-code-verifier-that-is-long-enough-0123456789-abcdefghij";
    private const string Device = "urn:ietf:params:oauth:grant-type:device_code";

    private readonly TempFolder folder = new();
    private readonly MailFolder mailbox = new();
    private readonly Secrets secrets = new();
    private readonly HashSet<string> links = [];
    private readonly TestDatabase database;
    private GatehouseProcess? program;
    private HttpClient http = null!;

    public SecretsTests() => database = TestDatabase.Of(folder);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        http.Dispose();
        if (program is not null) await program.DisposeAsync();
        database.Dispose();
        mailbox.Dispose();
        folder.Dispose();
    }

    [Fact]
    public async Task Nothing_secret_is_written_down_wherever_somebody_goes_in()
    {
        var settings = Settings();
        Secret(SecretKey);
        var root = await GatehouseProcess.RunAsync(
            folder.Path, ["createsuperuser", "--noinput", "--username", "root", "--email", "root@example.com"], environment: [.. settings, ("DJANGO_SUPERUSER_PASSWORD", Secret("Roots-own-phrase-1"))]);
        Assert.Equal(0, root.Code);
        program = GatehouseProcess.Serve(folder.Path, environment: settings);
        http = new HttpClient(new SecretWatcher(secrets) { InnerHandler = new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false } }) { BaseAddress = await program.AddressAsync() };

        await AccountAsync();
        var secret = await SecondFactorAsync();
        await PasswordAsync(secret);
        await JwtAsync();
        await OAuthAsync();
        await AdminAsync();
        await BrokenAsync();
        await program.SignalAsync("TERM");
        await program.EndAsync();

        var log = (program.Output + "\n" + program.Errors).Split('\n');
        Assert.Contains(log, line => line.StartsWith("dbug:", StringComparison.Ordinal) || line.Contains(" dbug: ", StringComparison.Ordinal));
        // What it was all about is there.
        Assert.Contains(log, line => line.Contains("authtoken_token", StringComparison.Ordinal));
        Assert.Empty(secrets.FoundIn(log));
        foreach (var (table, columns) in new[]
        {
            ("gatehouse_audit", "event, user_id, username, about, client, address, detail"), ("django_admin_log", "object_id, object_repr, change_message"), ("gatehouse_counter", "*"),
            ("gatehouse_throttle", "key"), ("gatehouse_login_failure", "key"),
        })
        {
            var rows = database.Rows($"SELECT {columns} FROM {table}");
            Assert.NotEmpty(rows);
            Assert.Empty(secrets.FoundIn(rows));
        }
        // A search that finds nothing proves nothing unless it looked for something.
        Assert.InRange(secrets.Count, 60, 1000);
    }

    private (string, string)[] Settings() =>
    [
        .. database.Settings, ("Gatehouse__SecretKey", SecretKey), ("Gatehouse__PasswordHashers__0", "md5"), ("Gatehouse__Accounts__BaseUrl", "http://auth.example.com"), ("Gatehouse__Email__Backend", "file"), ("Gatehouse__Email__FilePath", mailbox.Path),
        ("Gatehouse__OAuth__OidcEnabled", "true"), ("Gatehouse__OAuth__OidcRpInitiatedLogoutEnabled", "true"), ("Gatehouse__OAuth__DcrEnabled", "true"),
        ("Gatehouse__OAuth__DcrRegistrationPermissionClasses__0", "oauth2_provider.dcr.AllowAllDCRPermission"), ("Gatehouse__OAuth__Scopes__read", "Read"), ("Gatehouse__OAuth__Scopes__openid", "Who you are"),
        ("Gatehouse__Jwt__RotateRefreshTokens", "true"), ("Gatehouse__Jwt__BlacklistAfterRotation", "true"),
        ("Logging__LogLevel__Default", "Trace"), ("Logging__LogLevel__Microsoft", "Trace"), ("Logging__LogLevel__Microsoft.AspNetCore", "Trace"), ("Logging__LogLevel__Microsoft.AspNetCore.Server", "Trace"),
        ("Logging__LogLevel__Gatehouse", "Trace"),
    ];

    private string Secret(string? text)
    {
        secrets.Add(text);
        return text!;
    }

    private Browser NewBrowser() => new(http);

    private async Task<JsonNode> JsonAsync(string path, object body, string? authorization = null, string method = "POST")
    {
        var answer = await http.AskAsync(path, authorization, method, body);
        Assert.InRange((int)answer.StatusCode, 200, 299);
        return await answer.TextAsync() is { Length: > 0 } text ? JsonNode.Parse(text)! : new JsonObject();
    }

    private Task<HttpResponseMessage> FormAsync(string path, params (string Name, string Value)[] form) =>
        http.PostAsync(path, new FormUrlEncodedContent(form.Select(one => KeyValuePair.Create(one.Name, one.Value))), Ct);

    /// <summary>The path of the link in the mail that was not read before; what is behind the last slash but one is secret.</summary>
    private async Task<string> LinkAsync(int mails)
    {
        var link = (await mailbox.WaitAsync(mails)).Select(mail => MailFolder.LinkOf(mail, "http://auth.example.com")).Single(one => links.Add(one));
        Secret(link.Split('/')[^2]);
        return link;
    }

    private async Task AccountAsync()
    {
        await JsonAsync("/api/accounts/register/", new { username = "ada", email = "ada@example.com", password = Secret("Adas-first-phrase-1") });
        var verify = await LinkAsync(1);
        var browser = NewBrowser();
        await browser.SubmitAsync(verify).ShouldBeAsync(200);
        await http.AskAsync("/api/accounts/login/", null, "POST", new { username = "ada", password = Secret("Not-adas-phrase-1") }).ShouldBeAsync(400);
        // In the wrong field, and in broken JSON.
        await http.AskAsync("/api/accounts/login/", null, "POST", new { username = "Adas-first-phrase-1", password = "x" }).ShouldBeAsync(400);
        await http.PostTextAsync("/api/accounts/login/", "{\"username\":\"ada\",\"password\":\"Adas-first-phrase-1").ShouldBeAsync(400);
        await browser.LogInAsync("ada", "Adas-first-phrase-1");
        await http.AskAsync("/api/accounts/profile/", Answers.Basic("ada", "Adas-first-phrase-1")).ShouldBeAsync(200);
        await http.AskAsync("/api/accounts/profile/", "Token " + Secret("0123456789abcdef0123456789abcdef01234567")).ShouldBeAsync(401);
        Secret((string?)(await JsonAsync("/api-token-auth/", new { username = "ada", password = "Adas-first-phrase-1" }))["token"]);
        var made = await browser.SubmitAsync("/accounts/tokens/", ("password", "Adas-first-phrase-1"));
        Secret(Regex.Match(await made.TextAsync(), "<code>([0-9a-f]{40})</code>").Groups[1].Value);
        await browser.PostAsync("/api/accounts/sessions/end_others/", new { current_password = "Adas-first-phrase-1" }).ShouldBeAsync(200);
        await browser.PostAsync("/api/accounts/logout/").ShouldBeAsync(200);
    }

    /// <returns>The secret.</returns>
    private async Task<string> SecondFactorAsync()
    {
        var browser = await NewBrowser().LogInAsync("ada", "Adas-first-phrase-1");
        var begun = await (await browser.PostAsync("/api/accounts/second_factor/", new { current_password = "Adas-first-phrase-1" })).JsonAsync();
        var (secret, step) = (Secret((string?)begun["secret"]), Secret((string?)begun["second_factor"]));
        var on = await (await browser.PostAsync("/api/accounts/second_factor/", new { current_password = "Adas-first-phrase-1", second_factor = step, otp = CodeOf(secret, -1) })).JsonAsync();
        foreach (var code in on["recovery_codes"]!.AsArray()) Secret((string?)code);
        await http.AskAsync("/api-token-auth/", null, "POST", new { username = "ada", password = "Adas-first-phrase-1", otp = Secret("abcdefghjk") }).ShouldBeAsync(400);
        await JsonAsync("/api-token-auth/", new { username = "ada", password = "Adas-first-phrase-1", otp = (string)on["recovery_codes"]![0]! });
        var page = NewBrowser();
        var html = await (await page.SubmitAsync("/accounts/login/", ("username", "ada"), ("password", "Adas-first-phrase-1"))).TextAsync();
        var asked = Secret(Regex.Match(html, "name=\"second_factor\" value=\"([^\"]+)\"").Groups[1].Value);
        await page.SubmitAsync("/accounts/login/", ("second_factor", asked), ("next", ""), ("otp", (string)on["recovery_codes"]![1]!)).ShouldBeAsync(302);
        await browser.SendAsync(HttpMethod.Delete, "/api/accounts/second_factor/", JsonContent.Create(new { current_password = "Adas-first-phrase-1", otp = (string)on["recovery_codes"]![2]! })).ShouldBeAsync(204);
        return secret;
    }

    private static string CodeOf(string secret, int steps) => new Totp(Base32Encoding.ToBytes(secret)).ComputeTotp(DateTime.UtcNow.AddSeconds(30 * steps));

    private async Task PasswordAsync(string secret)
    {
        Assert.NotEmpty(secret);
        var browser = await NewBrowser().LogInAsync("ada", "Adas-first-phrase-1");
        await browser.PostAsync("/api/accounts/password/change/", new { old_password = "Adas-first-phrase-1", new_password1 = Secret("Adas-second-phrase-2"), new_password2 = "Adas-second-phrase-2" }).ShouldBeAsync(200);
        await JsonAsync("/api/accounts/password/reset/", new { email = "ada@example.com" });
        var link = await LinkAsync(2);
        var form = (await browser.GetAsync(link)).Header("Location")!;
        await browser.SubmitAsync(form, ("new_password1", Secret("Adas-third-phrase-3")), ("new_password2", "Adas-third-phrase-3")).ShouldBeAsync(302);
        // Used up; by the API as well.
        await browser.GetAsync(link).ShouldBeAsync(200);
        await http.AskAsync("/api/accounts/password/reset/confirm/", null, "POST", new { uid = link.Split('/')[3], token = link.Split('/')[4], new_password1 = "Adas-fourth-phrase-4", new_password2 = "Adas-fourth-phrase-4" }).ShouldBeAsync(400);
        Secret("Adas-fourth-phrase-4");
    }

    private async Task JwtAsync()
    {
        var pair = await JsonAsync("/api/token/", new { username = "ada", password = "Adas-third-phrase-3" });
        Secret((string?)pair["access"]);
        var next = await JsonAsync("/api/token/refresh/", new { refresh = Secret((string?)pair["refresh"]) });
        foreach (var name in new[] { "access", "refresh" }) Secret((string?)next[name]);
        // Again: its family ends.
        await http.AskAsync("/api/token/refresh/", null, "POST", new { refresh = (string)pair["refresh"]! }).ShouldBeAsync(401);
        await JsonAsync("/api/token/verify/", new { token = (string)next["access"]! });
        await http.AskAsync("/api/token/blacklist/", null, "POST", new { refresh = (string)next["refresh"]! });
        await http.AskAsync("/api/accounts/profile/", "Bearer " + next["access"]).ShouldBeAsync(200);
        await http.AskAsync("/api/accounts/profile/", "Bearer " + Secret((string)next["access"]! + "x")).ShouldBeAsync(401);
        Secret((string?)(await JsonAsync("/api/token/sliding/", new { username = "ada", password = "Adas-third-phrase-3" }))["token"]);
    }

    private async Task OAuthAsync()
    {
        var browser = await NewBrowser().LogInAsync("ada", "Adas-third-phrase-3");
        async Task MakeAsync(string id, string grant, string type) => await browser.SubmitAsync(
            "/o/applications/register/", ("name", id), ("client_id", id), ("client_secret", Secret($"secret-of-the-application-{id}")), ("hash_client_secret", "on"), ("client_type", type),
            ("authorization_grant_type", grant), ("redirect_uris", grant == "authorization-code" ? Callback : ""), ("post_logout_redirect_uris", ""), ("allowed_origins", ""), ("algorithm", grant == "authorization-code" ? "RS256" : "")).ShouldBeAsync(302);
        await MakeAsync("web", "authorization-code", "confidential");
        await MakeAsync("robot", "password", "confidential");
        await MakeAsync("tv", Device, "public");
        (string, string)[] web = [("client_id", "web"), ("client_secret", "secret-of-the-application-web")];
        async Task<JsonNode> TokensAsync(Task<HttpResponseMessage> asked)
        {
            var tokens = await (await asked).JsonAsync();
            foreach (var name in new[] { "access_token", "refresh_token", "id_token" }) secrets.Add((string?)tokens[name]);
            Assert.NotNull(tokens["access_token"]);
            return tokens;
        }

        (string Name, string Value)[] asked =
        [
            ("response_type", "code"), ("client_id", "web"), ("redirect_uri", Callback), ("scope", "openid read"), ("state", "st-1"), ("nonce", "n-1"),
            ("code_challenge", Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Secret(Verifier)))).TrimEnd('=').Replace('+', '-').Replace('/', '_')), ("code_challenge_method", "S256"),
        ];
        var pushed = Secret((string?)(await (await FormAsync("/o/par/", [.. web, .. asked.Where(one => one.Name != "client_id")])).JsonAsync())["request_uri"]);
        async Task<string> CodeAsync(string query)
        {
            var page = await (await browser.GetAsync("/o/authorize/?" + query)).TextAsync();
            var form = Hidden().Matches(page).Select(match => KeyValuePair.Create(match.Groups[1].Value, HttpUtility.HtmlDecode(match.Groups[2].Value))).Append(new("allow", "Authorize"));
            var back = await browser.SendAsync(HttpMethod.Post, "/o/authorize/?" + query, new FormUrlEncodedContent(form), csrf: false);
            return Secret(HttpUtility.ParseQueryString(new Uri(back.Header("Location")!).Query)["code"]);
        }
        await CodeAsync("client_id=web&request_uri=" + Uri.EscapeDataString(pushed));
        var code = await CodeAsync(string.Join('&', asked.Select(one => $"{one.Name}={Uri.EscapeDataString(one.Value)}")));
        (string, string)[] exchange = [.. web, ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", Callback), ("code_verifier", Verifier)];
        var tokens = await TokensAsync(FormAsync("/o/token/", exchange));
        (string, string)[] refresh = [.. web, ("grant_type", "refresh_token"), ("refresh_token", (string)tokens["refresh_token"]!)];
        var next = await TokensAsync(FormAsync("/o/token/", refresh));
        await FormAsync("/o/introspect/", [.. web, ("token", (string)next["access_token"]!)]).ShouldBeAsync(200);
        await http.AskAsync("/o/userinfo/", "Bearer " + next["access_token"]).ShouldBeAsync(200);
        await FormAsync("/o/token/", exchange).ShouldBeAsync(400);
        await FormAsync("/o/token/", [("client_id", "web"), ("client_secret", Secret("a-wrong-secret-of-web")), ("grant_type", "refresh_token"), ("refresh_token", "x")]).ShouldBeAsync(401);
        await TokensAsync(FormAsync("/o/token/", ("client_id", "robot"), ("client_secret", "secret-of-the-application-robot"), ("grant_type", "password"), ("username", "ada"), ("password", "Adas-third-phrase-3")));
        await FormAsync("/o/revoke_token/", [.. web, ("token", (string)next["refresh_token"]!)]).ShouldBeAsync(200);

        var device = await (await FormAsync("/o/device-authorization/", ("client_id", "tv"), ("scope", "read"))).JsonAsync();
        var entered = await browser.SubmitAsync("/o/device/", ("user_code", Secret((string?)device["user_code"])));
        await browser.SubmitAsync(entered.Header("Location")!, ("action", "accept")).ShouldBeAsync(302);
        await TokensAsync(FormAsync("/o/token/", ("client_id", "tv"), ("grant_type", Device), ("device_code", Secret((string?)device["device_code"]))));

        var client = await (await http.PostTextAsync("/o/register/", $$"""{"redirect_uris":["{{Callback}}"],"client_name":"Own"}""")).JsonAsync();
        foreach (var name in new[] { "client_secret", "registration_access_token" }) Secret((string?)client[name]);
        await http.AskAsync(new Uri((string)client["registration_client_uri"]!).PathAndQuery, "Bearer " + client["registration_access_token"], "DELETE").ShouldBeAsync(204);
        await browser.SubmitAsync("/o/logout/?id_token_hint=" + tokens["id_token"], ("allow", "Logout")).ShouldBeAsync(302);
    }

    private async Task AdminAsync()
    {
        var root = NewBrowser();
        await root.SubmitAsync("/admin/login/", ("username", "root"), ("password", "Roots-own-phrase-1")).ShouldBeAsync(302);
        var added = await root.SubmitAsync(
            "/admin/oauth2_provider/application/add/", ("client_id", "made"), ("client_secret", Secret("secret-of-the-application-made")), ("hash_client_secret", "on"), ("client_type", "confidential"),
            ("authorization_grant_type", "client-credentials"), ("name", "Made"), ("redirect_uris", ""), ("post_logout_redirect_uris", ""), ("allowed_origins", ""), ("algorithm", ""), ("user", ""));
        await added.ShouldBeAsync(200);
        var token = await root.SubmitAsync("/admin/authtoken/tokenproxy/add/", ("user", "root"));
        Secret(Regex.Match(await token.TextAsync(), "\\b([0-9a-f]{40})\\b").Groups[1].Value);
        await root.SubmitAsync("/admin/auth/user/2/password/", ("password1", Secret("Adas-fifth-phrase-5")), ("password2", "Adas-fifth-phrase-5"), ("usable_password", "true")).ShouldBeAsync(302);
        await root.GetAsync("/admin/").ShouldBeAsync(200);
        await root.GetAsync("/admin/gatehouse/audit/").ShouldBeAsync(200);
    }

    // What our own faults look like in the log: an exception, whole.
    private async Task BrokenAsync()
    {
        database.Execute("ALTER TABLE authtoken_token RENAME TO elsewhere");
        Assert.Equal(5, (int)(await http.AskAsync("/api-token-auth/", null, "POST", new { username = "ada", password = "Adas-fifth-phrase-5" })).StatusCode / 100);
        Assert.Equal(5, (int)(await http.AskAsync("/api/accounts/profile/", "Token " + Secret("fedcba9876543210fedcba9876543210fedcba98"))).StatusCode / 100);
        database.Execute("ALTER TABLE elsewhere RENAME TO authtoken_token");
    }

    [GeneratedRegex("""<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?>""")]
    private static partial Regex Hidden();
}
