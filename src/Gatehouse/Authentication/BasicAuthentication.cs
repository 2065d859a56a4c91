using System.Text;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Authentication;

/// <summary>User name and password in the header, RFC 7617 (DRF <c>BasicAuthentication</c>). Over HTTPS only.</summary>
/// <param name="accounts">Checks the password.</param>
/// <param name="realm">Shown by browsers when they ask.</param>
public class BasicAuthentication(UserAccounts accounts, string realm = "api") : HeaderAuthentication("Basic", "basic", "Credentials string")
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string challenge = $"Basic realm=\"{realm}\"";

    /// <inheritdoc/>
    public override string? Challenge => challenge;

    /// <inheritdoc/>
    protected override async ValueTask<Outcome> AuthenticateAsync(HttpContext http, string value)
    {
        if (Decode(value) is not { } text || text.IndexOf(':') is var colon && colon < 0)
            return Outcome.Fail("Invalid basic header. Credentials not correctly base64 encoded.");

        var user = await accounts.AuthenticateAsync(text[..colon], text[(colon + 1)..], remember: true, http.RequestAborted);
        return user is null ? Outcome.Fail("Invalid username/password.") : Outcome.Succeed(user);
    }

    /// <summary>
    /// Base64 as Python's <c>b64decode</c> reads it: characters outside the alphabet are passed over, and padding ends the text once it
    /// is complete. Then UTF-8, or Latin-1 where it is not.
    /// </summary>
    internal static string? Decode(string value)
    {
        var bytes = new List<byte>(value.Length);
        int quad = 0, pads = 0, bits = 0;
        foreach (var c in value)
        {
            if (c == '=')
            {
                if (quad >= 2 && quad + ++pads >= 4)
                {
                    quad = 0;
                    break;
                }
                continue;
            }
            if (Digit(c) is not (>= 0 and var digit)) continue;
            pads = 0;
            bits = (bits << 6 | digit) & 0xFFFF;
            switch (quad)
            {
                case 1: bytes.Add((byte)(bits >> 4)); break;
                case 2: bytes.Add((byte)(bits >> 2)); break;
                case 3: bytes.Add((byte)bits); break;
            }
            quad = (quad + 1) % 4;
        }
        if (quad != 0) return null;

        var raw = bytes.ToArray();
        try
        {
            return StrictUtf8.GetString(raw);
        }
        catch (DecoderFallbackException)
        {
            return Encoding.Latin1.GetString(raw);
        }
    }

    private static int Digit(char c) => c switch
    {
        >= 'A' and <= 'Z' => c - 'A',
        >= 'a' and <= 'z' => c - 'a' + 26,
        >= '0' and <= '9' => c - '0' + 52,
        '+' => 62,
        '/' => 63,
        _ => -1,
    };
}
