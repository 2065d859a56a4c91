using System.CommandLine;
using Gatehouse.Crypto;
using Gatehouse.Database;
using Gatehouse.Users;
using Gatehouse.Views;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse check [--deploy]</c></summary>
internal static class Check
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var deploy = new Option<bool>("--deploy") { Description = "Also list what a public server should not leave as it is." };
        var command = new Command("check", "Check the settings, and whether the database is up to date.") { deploy };
        CommandContext.SetAction(command, context, migrated: false, verb: async (parsed, services) =>
        {
            var options = services.GetRequiredService<GatehouseOptions>();
            _ = services.GetRequiredService<PasswordHashes>();
            _ = services.GetRequiredService<PasswordPolicy>();
            try
            {
                services.GetRequiredService<EndpointPlans>().Prepare([]);
            }
            catch (ArgumentException error)
            {
                throw new CommandException(error.Message);
            }

            var issues = parsed.GetValue(deploy) ? [.. DeployIssues(options), .. OAuthIssues.Warnings(options.OAuth)] : new List<string>();
            if (services.GetRequiredService<Db>().IsThere && !await services.GetRequiredService<Migrations>().IsCurrentAsync(CancellationToken.None))
                issues.Add("(gatehouse.W001) The database is not up to date. Run: gatehouse migrate");

            var errors = parsed.GetValue(deploy) ? OAuthIssues.Errors(options.OAuth).ToList() : [];
            if (errors.Count > 0)
            {
                Console.Error.WriteLine("SystemCheckError: System check identified some issues:\n\nERRORS:");
                foreach (var error in errors) Console.Error.WriteLine("?: " + error);
                Console.Error.WriteLine();
            }
            if (issues.Count > 0) Console.Error.WriteLine("System check identified some issues:\n\nWARNINGS:");
            foreach (var issue in issues) Console.Error.WriteLine("?: " + issue);
            var count = issues.Count + errors.Count;
            Console.WriteLine($"System check identified {(count == 0 ? "no issues" : count == 1 ? "1 issue" : $"{count} issues")} (0 silenced).");
            return errors.Count > 0 ? 1 : 0;
        });
        return command;
    }

    /// <summary>Django's own warnings where the setting is the same, then ours.</summary>
    internal static IEnumerable<string> DeployIssues(GatehouseOptions options)
    {
        if (options.Secure.HstsSeconds == 0)
            yield return "(security.W004) SECURE_HSTS_SECONDS is not set: browsers may be led to plain HTTP. Set it once the site is HTTPS only.";
        if (!options.Secure.SslRedirect && options.Secure.ProxySslHeader.Count == 0)
            yield return "(security.W008) SECURE_SSL_REDIRECT is not true. Unless a proxy redirects, set it; behind a proxy set SECURE_PROXY_SSL_HEADER too.";
        if (options.SecretKey.StartsWith("django-insecure-", StringComparison.Ordinal) || options.SecretKey.Length < 50 || options.SecretKey.Distinct().Count() < 5)
            yield return "(security.W009) SECRET_KEY has less than 50 characters, less than 5 different ones, or is Django's sample. Make one with: openssl rand -base64 48";
        if (!options.Session.CookieSecure) yield return "(security.W012) SESSION_COOKIE_SECURE is not true: the session cookie also goes over plain HTTP.";
        if (!options.Csrf.CookieSecure) yield return "(security.W016) CSRF_COOKIE_SECURE is not true: the CSRF cookie also goes over plain HTTP.";
        if (options.AllowedHosts.Count == 0) yield return "(security.W020) ALLOWED_HOSTS is empty: only this machine's own names are served.";
        if (options.AllowedHosts.Contains("*")) yield return "(gatehouse.W002) ALLOWED_HOSTS allows every name. List those that are yours.";
        if (options.Profile == Profile.Django) yield return "(gatehouse.W003) The profile is Django: the stack's open doors are open. docs/deviations.md lists them.";
        if (options.RestFramework.DefaultPermissionClasses.Any(name => name.EndsWith("AllowAny", StringComparison.Ordinal)))
            yield return "(gatehouse.W004) DEFAULT_PERMISSION_CLASSES allows anyone: a view that forgets to ask is open. Write IsAuthenticated.";
        if (options.RestFramework.DefaultThrottleClasses.Count == 0)
            yield return "(gatehouse.W005) DEFAULT_THROTTLE_CLASSES is empty: passwords may be guessed at full speed. Add AnonRateThrottle with a rate.";
        if (options.PasswordHashers.Any(name => name.Contains("MD5", StringComparison.OrdinalIgnoreCase)))
            yield return "(gatehouse.W006) PASSWORD_HASHERS names MD5, which is for test data only.";
        if (options.AuthPasswordValidators is { Count: 0 }) yield return "(gatehouse.W007) AUTH_PASSWORD_VALIDATORS is empty: every password is accepted.";
    }
}
