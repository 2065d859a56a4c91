namespace Gatehouse.Crypto;

/// <summary>The keys of one issuer: one signs, all verify, so that a key can be changed without logging anyone out.</summary>
/// <param name="own">The configured ones; the first signs if it can.</param>
/// <param name="ignoresUnknownIds">Whether a <c>kid</c> that is not the name of the only key is passed over, as PyJWT does.</param>
/// <param name="remote">Keys that somebody else publishes; then those alone verify.</param>
/// <param name="namesKeys">Whether new tokens say in their header which key signed them; null: when there are several.</param>
internal sealed class SigningKeys(IReadOnlyList<SigningKey> own, bool ignoresUnknownIds = false, JwkSet? remote = null, bool? namesKeys = null)
{
    /// <summary>Signs new tokens; null on a server that only verifies.</summary>
    public SigningKey? Signer { get; } = own.Count > 0 && own[0].CanSign ? own[0] : null;

    /// <summary>Whether new tokens say in their header which key signed them.</summary>
    public bool NamesKeys { get; } = namesKeys ?? own.Count > 1;

    public JwkSet? Remote => remote;

    /// <summary>
    /// The keys that may have signed such a token. One whose header names a key is checked with that one alone; one that names none, as
    /// those from before the first key change, with each of its algorithm.
    /// </summary>
    public IEnumerable<SigningKey> Find(string algorithm, string? id)
    {
        var isHint = ignoresUnknownIds && own.Count == 1;
        foreach (var key in own)
            if (key.Algorithm == algorithm && (id is null || key.Id == id || isHint))
                yield return key;
    }
}
