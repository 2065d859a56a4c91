using System.Text.Json;

namespace Gatehouse.Jwt;

/// <summary>A token that was accepted: what a caller authenticated with. Its text is not kept here, so that it cannot reach a log.</summary>
public sealed class JwtToken
{
    private readonly TokenClass type;

    internal JwtToken(TokenClass type, JsonElement claims)
    {
        this.type = type;
        Claims = claims;
    }

    /// <summary>simplejwt's name of its kind: <c>AccessToken</c>, <c>SlidingToken</c>, <c>RefreshToken</c> or <c>UntypedToken</c>.</summary>
    public string TokenClass => type.Name;

    /// <summary>Its claims, one JSON object.</summary>
    public JsonElement Claims { get; }

    /// <summary>A claim that is a text; null when there is none, or none such.</summary>
    public string? GetString(string claim) =>
        Claims.TryGetProperty(claim, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Whether a claim is <c>true</c>.</summary>
    public bool IsTrue(string claim) => Claims.TryGetProperty(claim, out var value) && value.ValueKind == JsonValueKind.True;

    /// <inheritdoc/>
    public override string ToString() => TokenClass;
}

/// <summary>simplejwt's token classes.</summary>
/// <param name="Name">The class.</param>
/// <param name="Type">Its <c>token_type</c>.</param>
/// <param name="IsRecorded">Whether the blacklist knows such tokens.</param>
/// <param name="ChecksType">False for the class that takes any.</param>
internal sealed record TokenClass(string Name, string Type, bool IsRecorded = false, bool ChecksType = true)
{
    public static readonly TokenClass Access = new("AccessToken", "access");
    public static readonly TokenClass Refresh = new("RefreshToken", "refresh", IsRecorded: true);
    public static readonly TokenClass Sliding = new("SlidingToken", "sliding", IsRecorded: true);
    public static readonly TokenClass Untyped = new("UntypedToken", "untyped", ChecksType: false);

    public static readonly IReadOnlyList<TokenClass> All = [Access, Refresh, Sliding, Untyped];
}
