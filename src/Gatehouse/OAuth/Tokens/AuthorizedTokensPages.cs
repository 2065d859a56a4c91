using System.Globalization;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.OAuth.Clients;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Tokens;

/// <summary>Where people see which clients act for them, and end that (DOT's <c>AuthorizedTokensListView</c>, <c>AuthorizedTokenDeleteView</c>).</summary>
internal sealed class AuthorizedTokensPages(Db db, Scopes scopes, OAuthOptions options, TimeProvider clock, AuditTrail audit)
{
    private readonly string path = options.Path + "authorized_tokens/";

    /// <summary>GET /o/authorized_tokens/.</summary>
    public async Task<IResult> ListAsync(HttpContext http, User user)
    {
        var page = Paging.Of(http);
        var rows = await db.AllAsync(OfUser, http.RequestAborted, ("user", user.Id), ("most", Paging.Size + 1), ("skip", page.Skip));
        var items = rows.Count == 0 ? "<li>There are no authorized tokens yet.</li>" : string.Join('\n', rows.Take(Paging.Size).Select(Item));
        return Page("Tokens", $"<ul>\n{items}\n</ul>\n{page.Links(rows.Count > Paging.Size)}");
    }

    /// <summary>GET, POST, DELETE /o/authorized_tokens/ID/delete/.</summary>
    public async Task<IResult> DeleteAsync(HttpContext http, User user)
    {
        var ct = http.RequestAborted;
        if (!long.TryParse(http.Route("id"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var id)) return HtmlPage.NotFound();
        if (http.Request.Method is not ("POST" or "DELETE"))
        {
            if (await db.FirstAsync(ById, ct, ("id", id), ("user", user.Id)) is not { } shown) return HtmlPage.NotFound();
            return Page(
                "Are you sure you want to delete this token?",
                $"<p><bdi>{HtmlPage.EscapeName(shown.Application)}</bdi> will no longer act for you with it.</p>\n<form method=\"post\">\n{http.CsrfField()}\n<input type=\"submit\" value=\"Delete\">\n</form>");
        }

        var entry = audit.Of(AuditEvent.TokenRevoked, by: user);
        var revoked = await db.WriteAsync(
            async tx =>
            {
                if (await tx.FirstAsync(ById, ("id", id), ("user", user.Id)) is not { } token || !await OAuthTokens.RevokeAccessAsync(tx, id, clock.GetUtcNow())) return false;
                await AuditTrail.WriteAsync(tx, entry is null ? null : entry with { Detail = $"OAuth, of {token.Application}" });
                return true;
            },
            ct);
        return revoked ? new DjangoRedirect(path) : HtmlPage.NotFound();
    }

    private string Item(Listed token)
    {
        var name = HtmlPage.EscapeName(token.Application);
        var words = TokenText.Words(token.Scope);
        var granted = scopes.All.Where(scope => words.Contains(scope.Key)).Select(scope => $"<li>{HtmlPage.Escape(scope.Key)}: {HtmlPage.Escape(scope.Value)}</li>");
        return $"<li><bdi>{name}</bdi> (<a href=\"{path}{token.Id}/delete/\" aria-label=\"revoke {name}\">revoke</a>)\n<ul>{string.Concat(granted)}</ul></li>";
    }

    private static HtmlPage Page(string title, string body) => new(StatusCodes.Status200OK, title, $"<h1>{title}</h1>\n{body}", wide: true);

    private const string Columns = "t.id, t.scope, COALESCE(NULLIF(a.name, ''), a.client_id, 'None')";

    private static readonly Sql<Listed> OfUser = new(
        $"""
        SELECT {Columns} FROM oauth2_provider_accesstoken t LEFT JOIN oauth2_provider_application a ON a.id = t.application_id
        WHERE t.user_id = @user ORDER BY t.id LIMIT @most OFFSET @skip
        """,
        Listed.Read);

    private static readonly Sql<Listed> ById = new(
        $"""
        SELECT {Columns} FROM oauth2_provider_accesstoken t LEFT JOIN oauth2_provider_application a ON a.id = t.application_id
        WHERE t.id = @id AND t.user_id = @user
        """,
        Listed.Read);

    private sealed record Listed(long Id, string Scope, string Application)
    {
        public static Listed Read(Row row) => new(row.Int(0), row.Text(1), row.Text(2));
    }
}
