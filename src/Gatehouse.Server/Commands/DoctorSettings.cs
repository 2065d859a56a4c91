using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Crypto;
using Gatehouse.OAuth;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary>
/// The settings, by the very code that starts a server: what it refuses is noted and taken out, and it is asked again, until it has nothing to
/// refuse. So this cannot say other than a start would.
/// </summary>
internal static class DoctorSettings
{
    private static readonly string[] Sections = ["REST_FRAMEWORK", "SIMPLE_JWT", "OAUTH2_PROVIDER"];

    // Stands in for a key that is not in the file: none is made, and the examination goes on.
    private const string NoKey = "no key is given, and this one signs nothing at all: 0123456789";

    // Of other apps that have a say in who gets in.
    private static readonly Dictionary<string, string> OtherApps = new()
    {
        ["axes"] = "counts failed logins in Django only: add DEFAULT_THROTTLE_CLASSES with AnonRateThrottle for the logins that Gatehouse answers",
        ["allauth"] = "its pages and providers stay Django's: lead people to them with LOGIN_URL",
        ["social_django"] = "its providers stay Django's: lead people to them with LOGIN_URL",
        ["djoser"] = "its paths stay Django's; Gatehouse serves its own under Accounts:Path",
        ["dj_rest_auth"] = "its paths stay Django's; Gatehouse serves its own under Accounts:Path",
        ["django_otp"] = "its second factor is not asked for by Gatehouse: serve the logins of those users by Django",
        ["corsheaders"] = "answers for Django only: let the proxy in front add CORS headers for the paths that Gatehouse serves",
        ["guardian"] = "permissions on single objects stay Django's",
    };

    /// <returns>The options as far as they can be had.</returns>
    public static GatehouseOptions Examine(CommandContext context, List<Finding> findings)
    {
        var file = context.SettingsFile;
        var settings = file is null ? new JsonObject() : Read(file);
        var given = settings.ToDictionary(one => one.Key, one => one.Value);
        var options = Settle(context, settings, file, findings, out var notes);

        if (file is null) findings.Add(new(Verdict.Switch, "--settings", "was not given, so only the database was examined. Write the project's settings as JSON (docs/settings.md) and name that file."));
        var passedOver = notes.Where(note => note.StartsWith(DjangoSettings.PassedOver, StringComparison.Ordinal)).SelectMany(note => note[DjangoSettings.PassedOver.Length..^1].Split(", ")).ToHashSet();
        foreach (var path in Paths(settings).Where(path => !passedOver.Contains(path[0]))) findings.Add(new(Verdict.Works, string.Join(": ", path), "is taken over"));
        foreach (var note in notes) findings.Add(new(Verdict.Works, "other settings", note));

        Key(options, findings);
        if (given.GetValueOrDefault("DEBUG") is JsonValue debug && debug.ToString() == "true")
            findings.Add(new(Verdict.Insecure, "DEBUG", "is on: Django shows its settings and variables to whoever causes an error. Gatehouse has no such mode; switch it off."));
        foreach (var app in Texts(given.GetValueOrDefault("INSTALLED_APPS")).Concat(Texts(given.GetValueOrDefault("MIDDLEWARE"))).Select(name => name.Split('.')[0]).Distinct())
            if (OtherApps.TryGetValue(app, out var advice)) findings.Add(new(Verdict.Switch, $"INSTALLED_APPS: {app}", advice));

        if (options.Profile == Profile.Safe)
            findings.Add(new(Verdict.Switch, "Profile", "Safe closes doors that the stack leaves open (docs/deviations.md says which). For the stack's own answers set Gatehouse__Profile=Django."));
        findings.Add(new(
            Verdict.Switch, "paths", $"are not in settings. Gatehouse serves {options.Jwt.Path}, {options.AuthToken.Path}, {options.OAuth.Path}, {options.Accounts.Path}; "
            + "where the project has others set Jwt:Path, AuthToken:Path, OAuth:Path, Accounts:Path."));
        if (options is { RestFramework.NumProxies: null, Secure.ProxySslHeader.Count: > 0 })
            findings.Add(new(Verdict.Switch, "REST_FRAMEWORK: NUM_PROXIES", "is not set though there is a proxy: all callers count as one for throttles. Set it to the number of proxies."));
        Lifetimes(options, findings);
        foreach (var issue in DeployIssues.Of(options))
        {
            // Told above: there is no key to judge.
            if (options.SecretKey.Length == 0 && issue.Contains("W009", StringComparison.Ordinal)) continue;
            // "(security.W009) SECRET_KEY …"
            var end = issue.IndexOf(')', StringComparison.Ordinal);
            findings.Add(new(Verdict.Insecure, issue[1..end], issue[(end + 2)..]));
        }
        foreach (var issue in OAuthIssues.Errors(options.OAuth)) findings.Add(new(Verdict.Insecure, "OAUTH2_PROVIDER", issue));
        return options;
    }

    private static void Key(GatehouseOptions options, List<Finding> findings)
    {
        if (options.SecretKey != NoKey) return;
        options.SecretKey = "";
        findings.Add(new(Verdict.Switch, "SECRET_KEY", "is not in the file. Sessions and HS256 tokens of the project are good here only under its own key: give it, best by the environment (Gatehouse__SecretKey)."));
    }

    private static void Lifetimes(GatehouseOptions options, List<Finding> findings)
    {
        if (options.Jwt.AccessTokenLifetime > TimeSpan.FromHours(1))
            Long("SIMPLE_JWT: ACCESS_TOKEN_LIFETIME", options.Jwt.AccessTokenLifetime, "nothing ends an access token before that; minutes are usual");
        if (options.Jwt.RefreshTokenLifetime > TimeSpan.FromDays(30) && !options.Jwt.RotateRefreshTokens)
            Long("SIMPLE_JWT: REFRESH_TOKEN_LIFETIME", options.Jwt.RefreshTokenLifetime, "and it is not rotated: set ROTATE_REFRESH_TOKENS and BLACKLIST_AFTER_ROTATION");
        if (options.Jwt is { RotateRefreshTokens: true, BlacklistAfterRotation: false })
            findings.Add(new(Verdict.Insecure, "SIMPLE_JWT: ROTATE_REFRESH_TOKENS", "is on without BLACKLIST_AFTER_ROTATION: rotated tokens stay good until they expire."));
        if (options.OAuth.AccessTokenExpireSeconds > 24 * 3600)
            Long("OAUTH2_PROVIDER: ACCESS_TOKEN_EXPIRE_SECONDS", TimeSpan.FromSeconds(options.OAuth.AccessTokenExpireSeconds), "an hour is usual");
        if (options.OAuth.RefreshTokenExpireSeconds is null or <= 0)
            findings.Add(new(Verdict.Insecure, "OAUTH2_PROVIDER: REFRESH_TOKEN_EXPIRE_SECONDS", "is not set: refresh tokens that nobody uses stay good for ever, and cleartokens keeps them."));
        if (options.Session.CookieAge > TimeSpan.FromDays(90)) Long("SESSION_COOKIE_AGE", options.Session.CookieAge, "two weeks are usual");

        void Long(string name, TimeSpan life, string why) => findings.Add(new(Verdict.Insecure, name, $"is {life.TotalHours:0.#} hours: {why}."));
    }

    /// <summary>Takes out what is refused, one by one, and says so.</summary>
    private static GatehouseOptions Settle(CommandContext context, JsonObject settings, string? file, List<Finding> findings, out IReadOnlyList<string> notes)
    {
        while (true)
        {
            var (refusal, options) = Try(context, settings, file, out notes);
            if (refusal is null) return options;

            // The setting without which the refusal is another one, or none.
            var blamed = Paths(settings).FirstOrDefault(path =>
            {
                var without = (JsonObject)settings.DeepClone();
                Remove(without, path);
                return Try(context, without, file, out _).Refusal != refusal;
            });
            findings.Add(new(Verdict.Breaks, blamed is null ? "settings" : string.Join(": ", blamed), refusal));
            // Not of this file: of the host's own code, or the environment.
            if (blamed is null) return options;
            Remove(settings, blamed);
        }
    }

    private static (string? Refusal, GatehouseOptions Options) Try(CommandContext context, JsonObject settings, string? file, out IReadOnlyList<string> notes)
    {
        var options = new GatehouseOptions();
        notes = [];
        try
        {
            using var json = JsonDocument.Parse(settings.ToJsonString());
            notes = context.Fill(options, CommandContext.Configuration(), json.RootElement, file);
            if (options.SecretKey.Length == 0) options.SecretKey = NoKey;
            // Never the data folder's: it would be made.
            if (options.Database.Length == 0) options.Database = "sqlite:///none";
            GatehouseSetup.Complete(options);
            var services = new ServiceCollection();
            services.AddLogging();
            services.AddGatehouse((_, filled) =>
            {
                context.Fill(filled, CommandContext.Configuration(), json.RootElement, file);
                (filled.SecretKey, filled.Database) = (options.SecretKey, options.Database);
            });
            context.Program.Services?.Invoke(services);
            using var provider = services.BuildServiceProvider();
            _ = provider.GetRequiredService<PasswordHashes>();
            _ = provider.GetRequiredService<PasswordPolicy>();
            provider.GetRequiredService<EndpointPlans>().Prepare([]);
            return (null, options);
        }
        catch (Exception error) when (error is SettingException or ArgumentException)
        {
            return (error.Message, options);
        }
    }

    private static JsonObject Read(string file)
    {
        using var json = DjangoSettings.Read(file);
        try
        {
            var settings = JsonObject.Create(json.RootElement.Clone())!;
            // Members are looked at now, so that one that is there twice is told of here.
            foreach (var section in settings) _ = (section.Value as JsonObject)?.Count;
            return settings;
        }
        catch (ArgumentException error)
        {
            throw new SettingException($"{file} has a setting twice: {error.Message}", error);
        }
    }

    private static IEnumerable<string[]> Paths(JsonObject settings)
    {
        foreach (var (name, value) in settings)
        {
            if (Sections.Contains(name) && value is JsonObject section)
            {
                foreach (var (inner, _) in section) yield return [name, inner];
                if (section.Count == 0) yield return [name];
            }
            else yield return [name];
        }
    }

    private static void Remove(JsonObject settings, string[] path)
    {
        if (path.Length == 1) settings.Remove(path[0]);
        else ((JsonObject)settings[path[0]]!).Remove(path[1]);
    }

    private static IEnumerable<string> Texts(JsonNode? list) =>
        list is JsonArray array ? array.OfType<JsonValue>().Where(one => one.GetValueKind() == JsonValueKind.String).Select(one => one.GetValue<string>()) : [];
}
