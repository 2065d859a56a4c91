using System.CommandLine;
using Gatehouse.Audit;
using Gatehouse.OAuth.OpenId;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse rotatekeys [--now]</c></summary>
internal static class RotateKeys
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var now = new Option<bool>("--now") { Description = "Sign with the new keys at once, not only when everybody can have seen them." };
        var command = new Command("rotatekeys", "Make new keys for ID tokens; the old ones verify as long as a token of them lives.") { now };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            var options = services.GetRequiredService<GatehouseOptions>();
            if (options.OAuth.OidcRsaPrivateKey.Length > 0)
                throw new CommandException("The key is that of OIDC_RSA_PRIVATE_KEY: write another one there, and this one into OIDC_RSA_PRIVATE_KEYS_INACTIVE.");
            var (from, areNew) = new OidcKeyFile(options, services.GetRequiredService<TimeProvider>()).Rotate(parsed.GetValue(now));
            var audit = services.GetRequiredService<AuditTrail>();
            if ((areNew || parsed.GetValue(now)) && audit.Of(AuditEvent.Changed) is { } entry)
                await audit.NoteAsync(entry with { About = "gatehouse.signingkey Signing keys", Detail = parsed.GetValue(now) ? "Rotated, to sign at once." : "Rotated." });
            Console.WriteLine($"{(areNew ? "New keys are published" : "The keys that were made last are published")} and sign from {from.UtcDateTime:yyyy-MM-dd HH:mm:ss} UTC on. No server has to be restarted.");
            return 0;
        });
        return command;
    }
}
