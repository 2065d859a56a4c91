using System.Text;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Authentication;

/// <summary>
/// A scheme that lives in the <c>Authorization</c> header as <c>Keyword value</c>. Splits the header and answers malformed ones, so that
/// a scheme cannot forget it.
/// </summary>
public abstract class HeaderAuthentication : BaseAuthentication
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly string keyword;
    private readonly string kind;
    private readonly string noun;

    /// <param name="keyword">The first word, any case: <c>Token</c>.</param>
    /// <param name="kind">In messages: "Invalid <c>token</c> header."</param>
    /// <param name="noun">In messages: "<c>Token string</c> should not contain spaces."</param>
    protected HeaderAuthentication(string keyword, string kind = "token", string noun = "Token string")
    {
        this.keyword = keyword;
        this.kind = kind;
        this.noun = noun;
    }

    /// <inheritdoc/>
    public override string? Challenge => keyword;

    /// <inheritdoc/>
    public sealed override ValueTask<Outcome> AuthenticateAsync(HttpContext http)
    {
        // Two headers are one to a WSGI server, joined by a comma: nobody may hide a second credential behind a first.
        var headers = http.Request.Headers.Authorization;
        if (headers.Count == 0) return new(Outcome.NotMine);
        var header = headers.Count == 1 ? headers[0] : string.Join(',', headers.ToArray());

        var parts = new HeaderWords(header);
        if (!parts.First.Equals(keyword, StringComparison.OrdinalIgnoreCase)) return new(Outcome.NotMine);
        if (parts.Count == 1) return new(Outcome.Fail($"Invalid {kind} header. No credentials provided."));
        if (parts.Count > 2) return new(Outcome.Fail($"Invalid {kind} header. {noun} should not contain spaces."));

        var value = parts.Second.ToString();
        if (IsUtf8 && !Ascii.IsValid(value))
        {
            try
            {
                value = StrictUtf8.GetString(Encoding.Latin1.GetBytes(value));
            }
            catch (DecoderFallbackException)
            {
                return new(Outcome.Fail($"Invalid {kind} header. {noun} should not contain invalid characters."));
            }
        }
        return AuthenticateAsync(http, value);
    }

    private protected virtual bool IsUtf8 => true;

    /// <summary>Looks at the value behind the keyword: one word, not empty.</summary>
    protected abstract ValueTask<Outcome> AuthenticateAsync(HttpContext http, string value);
}
