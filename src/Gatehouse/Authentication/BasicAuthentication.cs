using System.Text;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Authentication;

/// <summary>User name and password in the header, RFC 7617 (DRF <c>BasicAuthentication</c>). Over HTTPS only.</summary>
/// <param name="accounts">Checks the password.</param>
/// <param name="realm">Shown by browsers when they ask.</param>
public class BasicAuthentication(UserAccounts accounts, string realm = "api") : HeaderAuthentication("Basic", "basic", "Credentials string")
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Logins logins = accounts.Logins;
    private readonly string challenge = $"Basic realm=\"{realm}\"";

    /// <inheritdoc/>
    public override string? Challenge => challenge;

    // What is not base64 is passed over, so bytes need no decoding first.
    private protected override bool IsUtf8 => false;

    /// <inheritdoc/>
    protected override async ValueTask<Outcome> AuthenticateAsync(HttpContext http, string value)
    {
        if (Decode(value) is not { } text || text.IndexOf(':') is var colon && colon < 0)
            return Outcome.Fail("Invalid basic header. Credentials not correctly base64 encoded.");

        var outcome = await logins.CheckAsync(http, text[..colon], text[(colon + 1)..], FactorAnswer.None, remember: true, http.RequestAborted);
        return outcome.Refusal switch
        {
            LoginRefusal.None => Outcome.Succeed(outcome.User),
            LoginRefusal.TooMany => Outcome.Answer(outcome.ApiRefusal!),
            // A code is good once, and Basic sends the same with each request.
            LoginRefusal.CodeMissing or LoginRefusal.PasskeyMissing or LoginRefusal.MustSetUp => Outcome.Fail("This account has a second factor and cannot use Basic: get a token."),
            _ => Outcome.Fail("Invalid username/password."),
        };
    }

    /// <summary>UTF-8, or Latin-1 where it is not.</summary>
    internal static string? Decode(string value)
    {
        if (PythonText.Base64(value) is not { } raw) return null;
        try
        {
            return StrictUtf8.GetString(raw);
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(raw);
        }
    }
}
