using Gatehouse.Database;

namespace Gatehouse.OAuth.Clients;

/// <summary>Finding clients.</summary>
internal sealed class ClientStore(Db db)
{
    private const int LongestId = 255;

    /// <summary>
    /// Asked for an id that is not known, or whose client's metadata document may be out of date (client ID metadata documents). Null: there is
    /// nothing to ask.
    /// </summary>
    public Func<string, Client?, CancellationToken, Task<Client?>>? Resolve { get; set; }

    /// <summary>The client of exactly that id; null when there is none.</summary>
    public async Task<Client?> FindAsync(string? clientId, CancellationToken ct)
    {
        if (clientId is null or { Length: 0 or > LongestId }) return null;
        var client = await db.FirstAsync(ById, ct, ("client_id", clientId));
        return Resolve is { } resolve ? await resolve(clientId, client, ct) : client;
    }

    private static readonly Sql<Client> ById = new($"SELECT {Client.Columns} FROM oauth2_provider_application a WHERE a.client_id = @client_id", Client.Read);
}
