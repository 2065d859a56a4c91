using System.Globalization;
using Gatehouse.Audit;
using Gatehouse.Database;
using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.OAuth.Clients;

/// <summary>The pages on which people register and keep clients (DOT's <c>ApplicationList</c>, <c>-Registration</c>, <c>-Detail</c>, <c>-Update</c>, <c>-Delete</c>).</summary>
internal sealed class ApplicationPages(Db db, ClientRegistration registration, ClientSecrets secrets, AuditTrail audit, GatehouseOptions options)
{
    private const string HashedHelp =
        "The client secret is hashed and can no longer be viewed. To rotate it, enter a new value and copy it before saving; the original secret cannot be recovered.";

    private readonly string path = options.OAuth.Path + "applications/";

    // A secret is shown before it is stored, and never again. The real stack shows its hash, or itself when it is not hashed.
    private readonly bool showsStored = options.Profile == Profile.Django;

    /// <summary>GET /o/applications/: mine.</summary>
    public async Task<IResult> ListAsync(HttpContext http, User user)
    {
        var page = Paging.Of(http);
        var rows = await db.AllAsync(OfUser, http.RequestAborted, ("user", user.Id), ("most", Paging.Size + 1), ("skip", page.Skip));
        var items = rows.Take(Paging.Size).Select(client => $"<li><a href=\"{path}{client.Id}/\">{HtmlPage.Escape(client.ToString())}</a></li>");
        return Page("Your applications", rows.Count == 0 && page.Number == 1
            ? $"<p>No applications defined. <a href=\"{path}register/\">Click here</a> if you want to register a new one</p>"
            : $"<ul>\n{string.Join('\n', items)}\n</ul>\n{page.Links(rows.Count > Paging.Size)}<p><a href=\"{path}register/\">New Application</a></p>");
    }

    /// <summary>GET, POST /o/applications/register/.</summary>
    public async Task<IResult> RegisterAsync(HttpContext http, User user)
    {
        var draft = registration.NewDraft();
        if (http.Request.Method is "GET" or "HEAD") return RegisterForm(http, draft, draft, []);
        var (form, unreadable) = await ReadAsync(http);
        if (unreadable is not null) return unreadable;

        var proposed = new ClientDraft { ClientId = form["initial-client_id"] ?? draft.ClientId, ClientSecret = form["initial-client_secret"] ?? draft.ClientSecret };
        // A form that leaves the field out leaves the choice to us, as in Django; nobody will have seen the secret.
        Fill(draft, form, draft.ClientSecret);
        draft.SecretIsOurs = form["client_secret"] is null;
        draft.UserId = user.Id;
        var entry = audit.Of(AuditEvent.Added, by: user);
        var (id, errors) = await registration.CreateAsync(draft, (tx, key) => AuditTrail.WriteAsync(tx, Client.Tell(entry, key, draft.ToClient(""))), http.RequestAborted);
        return id is { } made ? new DjangoRedirect($"{path}{made}/") : RegisterForm(http, draft, proposed, errors);
    }

    /// <summary>GET /o/applications/ID/.</summary>
    public async Task<IResult> DetailAsync(HttpContext http, User user)
    {
        if (await OwnAsync(http, user) is not { } client) return HtmlPage.NotFound();
        return Page(
            client.ToString(),
            $"""
            <dl>
            <dt>Client id</dt><dd><code>{HtmlPage.Escape(client.ClientId)}</code></dd>
            <dt>Client secret</dt><dd>{SecretOf(client)}</dd>
            <dt>Hash client secret</dt><dd>{(client.HashClientSecret ? "yes" : "no")}</dd>
            <dt>Client type</dt><dd>{HtmlPage.Escape(client.ClientType)}</dd>
            <dt>Authorization Grant Type</dt><dd>{HtmlPage.Escape(client.AuthorizationGrantType)}</dd>
            {Uris("Redirect Uris", client.RedirectUris)}
            {Uris("Post Logout Redirect Uris", client.PostLogoutRedirectUris)}
            {Uris("Allowed Origins", client.AllowedOrigins)}
            </dl>
            <p class="links"><a href="{path}">Go Back</a> <a href="{path}{client.Id}/update/">Edit</a> <a href="{path}{client.Id}/delete/">Delete</a></p>
            """);

        string SecretOf(Client client) =>
            client.ClientSecret.Length == 0 ? "none"
            : showsStored ? $"<code>{HtmlPage.Escape(client.ClientSecret)}</code>"
            : secrets.IsHashed(client.ClientSecret) ? "hashed; it can no longer be viewed"
            : "stored unhashed; it is not shown again";

        static string Uris(string name, IReadOnlyList<string> uris) =>
            $"<dt>{name}</dt><dd>{(uris.Count == 0 ? "none" : string.Join("<br>", uris.Select(uri => $"<code>{HtmlPage.Escape(uri)}</code>")))}</dd>";
    }

    /// <summary>GET, POST /o/applications/ID/update/.</summary>
    public async Task<IResult> UpdateAsync(HttpContext http, User user)
    {
        if (await OwnAsync(http, user) is not { } client) return HtmlPage.NotFound();
        var draft = DraftOf(client);
        if (http.Request.Method is "GET" or "HEAD") return UpdateForm(http, client, draft, []);
        var (form, unreadable) = await ReadAsync(http);
        if (unreadable is not null) return unreadable;

        Fill(draft, form, client.ClientSecret);
        // An empty field keeps what it does not show.
        if (!showsStored && draft.ClientSecret.Length == 0) draft.ClientSecret = client.ClientSecret;
        var entry = Client.Tell(audit.Of(AuditEvent.Changed, by: user), client.Id, draft.ToClient(""), ChangesOf(client, draft));
        return await registration.UpdateAsync(client.Id, draft, tx => AuditTrail.WriteAsync(tx, entry), http.RequestAborted) switch
        {
            null => HtmlPage.NotFound(),
            [] => new DjangoRedirect($"{path}{client.Id}/"),
            var errors => UpdateForm(http, client, draft, errors),
        };
    }

    /// <summary>GET, POST, DELETE /o/applications/ID/delete/.</summary>
    public async Task<IResult> DeleteAsync(HttpContext http, User user)
    {
        if (await OwnAsync(http, user) is not { } client) return HtmlPage.NotFound();
        if (http.Request.Method is "POST" or "DELETE")
        {
            var entry = Client.Tell(audit.Of(AuditEvent.Deleted, by: user), client.Id, client);
            return await registration.DeleteAsync(client.Id, tx => AuditTrail.WriteAsync(tx, entry), http.RequestAborted) ? new DjangoRedirect(path) : HtmlPage.NotFound();
        }
        return Page(
            $"Are you sure to delete the application {client}?",
            $"""
            <p>All its tokens end with it.</p>
            <form method="post" action="{path}{client.Id}/delete/">
            {http.CsrfField()}
            <p><a href="{path}">Cancel</a></p>
            <input type="submit" name="allow" value="Delete">
            </form>
            """);
    }

    /// <summary>The client of the address, if it is this user's: anybody else's is not there.</summary>
    private async Task<Client?> OwnAsync(HttpContext http, User user) =>
        long.TryParse(http.Route("id"), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var id)
            ? await db.FirstAsync(ById, http.RequestAborted, ("id", id), ("user", user.Id))
            : null;

    // A PUT has no form in Django.
    private static async Task<(OAuthParameters Form, IResult? Error)> ReadAsync(HttpContext http) =>
        http.Request.Method == "POST" ? await OAuthParameters.FromFormAsync(http) : (OAuthParameters.Of([]), null);

    private static void Fill(ClientDraft draft, OAuthParameters form, string secret)
    {
        draft.Name = Text("name");
        draft.ClientId = Text("client_id");
        draft.ClientSecret = form["client_secret"] is null ? secret : Text("client_secret");
        draft.HashClientSecret = form["hash_client_secret"] is { } box && box is not ("False" or "false");
        draft.ClientType = form["client_type"] ?? "";
        draft.AuthorizationGrantType = form["authorization_grant_type"] ?? "";
        draft.RedirectUris = Text("redirect_uris");
        draft.PostLogoutRedirectUris = Text("post_logout_redirect_uris");
        draft.AllowedOrigins = Text("allowed_origins");
        draft.Algorithm = form["algorithm"] ?? "";

        string Text(string name) => PythonText.Strip(form[name] ?? "");
    }

    /// <summary>For the audit log: which fields, not what is in them.</summary>
    private static string ChangesOf(Client before, ClientDraft draft)
    {
        var after = draft.ToClient(draft.ClientSecret);
        (string Name, bool IsSame)[] fields =
        [
            ("client id", before.ClientId == after.ClientId),
            ("client secret", before.ClientSecret == after.ClientSecret),
            ("hash client secret", before.HashClientSecret == after.HashClientSecret),
            ("client type", before.ClientType == after.ClientType),
            ("grant type", before.AuthorizationGrantType == after.AuthorizationGrantType),
            ("name", before.Name == after.Name),
            ("redirect URIs", before.RedirectUris.SequenceEqual(after.RedirectUris)),
            ("post logout redirect URIs", before.PostLogoutRedirectUris.SequenceEqual(after.PostLogoutRedirectUris)),
            ("allowed origins", before.AllowedOrigins.SequenceEqual(after.AllowedOrigins)),
            ("algorithm", before.Algorithm == after.Algorithm),
        ];
        return fields.Where(field => !field.IsSame).Select(field => field.Name).ToList() is { Count: > 0 } changed ? $"Changed {string.Join(", ", changed)}." : "No fields changed.";
    }

    private static ClientDraft DraftOf(Client client) => new()
    {
        Name = client.Name,
        ClientId = client.ClientId,
        ClientSecret = client.ClientSecret,
        HashClientSecret = client.HashClientSecret,
        ClientType = client.ClientType,
        AuthorizationGrantType = client.AuthorizationGrantType,
        RedirectUris = string.Join(' ', client.RedirectUris),
        PostLogoutRedirectUris = string.Join(' ', client.PostLogoutRedirectUris),
        AllowedOrigins = string.Join(' ', client.AllowedOrigins),
        Algorithm = client.Algorithm,
    };

    private HtmlPage RegisterForm(HttpContext http, ClientDraft draft, ClientDraft proposed, IReadOnlyList<ClientError> errors) => Form(
        http, "Register a new application", path + "register/", path, draft, proposed, errors,
        draft.HashClientSecret
            ? "Copy and store this secret now. Once saved, it will be hashed and cannot be recovered."
            : "Copy and store this secret now. This application stores the secret unhashed.");

    private HtmlPage UpdateForm(HttpContext http, Client client, ClientDraft draft, IReadOnlyList<ClientError> errors)
    {
        var proposed = DraftOf(client);
        var isHashed = secrets.IsHashed(client.ClientSecret);
        if (!showsStored)
        {
            proposed.ClientSecret = "";
            if (draft.ClientSecret == client.ClientSecret) draft.ClientSecret = "";
        }
        return Form(
            http, $"Edit application {client.Name}", $"{path}{client.Id}/update/", $"{path}{client.Id}/", draft, proposed, errors,
            isHashed ? HashedHelp
            : !showsStored ? "Entering a new value replaces the client secret; an empty field keeps it."
            : draft.HashClientSecret ? "Copy and store this secret now. Once saved, it will be hashed and cannot be recovered."
            : "This application stores its client secret unhashed, so the value above remains usable. Entering a new value replaces it.");
    }

    private HtmlPage Form(
        HttpContext http, string title, string action, string back, ClientDraft draft, ClientDraft proposed, IReadOnlyList<ClientError> errors, string secretHelp)
    {
        return Page(
            title,
            $"""
            <form method="post" action="{action}">
            {http.CsrfField()}
            {Input("name", "Name", draft.Name)}
            {Input("client_id", "Client ID", draft.ClientId, "", "required")}
            <input type="hidden" name="initial-client_id" value="{HtmlPage.Escape(proposed.ClientId)}">
            {Input("client_secret", "Client secret", draft.ClientSecret, secretHelp, "autocomplete=\"off\" spellcheck=\"false\"")}
            <input type="hidden" name="initial-client_secret" value="{HtmlPage.Escape(proposed.ClientSecret)}">
            <label class="check" for="id_hash_client_secret"><input type="checkbox" name="hash_client_secret" id="id_hash_client_secret"{(draft.HashClientSecret ? " checked" : "")}{Aria("hash_client_secret")}> Hash client secret</label>
            {Errors("hash_client_secret")}
            {Select("client_type", "Client type", draft.ClientType, [("", "---------"), .. ClientChoices.Types])}
            {Select("authorization_grant_type", "Authorization grant type", draft.AuthorizationGrantType, [("", "---------"), .. ClientChoices.Grants])}
            {Area("redirect_uris", "Redirect URIs", draft.RedirectUris, "Allowed URIs list, space separated")}
            {Area("post_logout_redirect_uris", "Post logout redirect URIs", draft.PostLogoutRedirectUris, "Allowed Post Logout URIs list, space separated")}
            {Area("allowed_origins", "Allowed origins", draft.AllowedOrigins, "Allowed origins list to enable CORS, space separated")}
            {Select("algorithm", "Algorithm", draft.Algorithm, ClientChoices.Algorithms(options))}
            <p class="links"><a href="{back}">Go Back</a></p>
            <button type="submit">Save</button>
            </form>
            """);

        string Errors(string field) => UserPages.ErrorList(errors.Where(error => error.Field == field).Select(WordsOf).Distinct(), field);

        string Aria(string field, string help = "")
        {
            var isWrong = errors.Any(error => error.Field == field);
            var by = $"{(help.Length > 0 ? $"id_{field}_helptext " : "")}{(isWrong ? $"id_{field}_error" : "")}".Trim();
            return (by.Length > 0 ? $" aria-describedby=\"{by}\"" : "") + (isWrong ? " aria-invalid=\"true\"" : "");
        }

        string Label(string field, string label) => $"<label for=\"id_{field}\">{label}</label>\n{Errors(field)}";

        static string Help(string field, string help) => help.Length > 0 ? $"\n<small id=\"id_{field}_helptext\">{help}</small>" : "";

        string Input(string field, string label, string value, string help = "", string more = "") =>
            $"{Label(field, label)}<input type=\"text\" name=\"{field}\" id=\"id_{field}\"{(value.Length > 0 ? $" value=\"{HtmlPage.Escape(value)}\"" : "")} maxlength=\"255\" {more}{Aria(field, help)}>{Help(field, help)}";

        // A line feed right after the tag is not part of the value.
        string Area(string field, string label, string value, string help) =>
            $"{Label(field, label)}<textarea name=\"{field}\" id=\"id_{field}\" rows=\"3\" spellcheck=\"false\"{Aria(field, help)}>\n{HtmlPage.Escape(value)}</textarea>{Help(field, help)}";

        string Select(string field, string label, string value, (string Value, string Label)[] choices) =>
            $"{Label(field, label)}<select name=\"{field}\" id=\"id_{field}\"{Aria(field)}>"
            + string.Concat(choices.Select(choice => $"<option value=\"{choice.Value}\"{(choice.Value == value ? " selected" : "")}>{choice.Label}</option>")) + "</select>";
    }

    /// <summary>As Django's forms say it.</summary>
    internal static string WordsOf(ClientError error) => error.Problem switch
    {
        ClientProblem.Blank => "This field is required.",
        ClientProblem.NoChoice => $"Select a valid choice. {error.Value} is not one of the available choices.",
        _ => error.Message,
    };

    private static HtmlPage Page(string title, string body) => new(StatusCodes.Status200OK, title, $"<h1>{HtmlPage.Escape(title)}</h1>\n{body}", wide: true);

    private static readonly Sql<Client> OfUser = new(
        $"SELECT {Client.Columns} FROM oauth2_provider_application a WHERE a.user_id = @user ORDER BY a.id LIMIT @most OFFSET @skip", Client.Read);

    private static readonly Sql<Client> ById = new($"SELECT {Client.Columns} FROM oauth2_provider_application a WHERE a.id = @id AND a.user_id = @user", Client.Read);
}

/// <summary>A page of a long list: <c>?page=2</c>. (DOT shows all at once.)</summary>
internal readonly record struct Paging(int Number)
{
    public const int Size = 100;

    public int Skip => (Number - 1) * Size;

    public static Paging Of(HttpContext http) =>
        new(int.TryParse(http.Request.Query["page"].LastOrDefault(), NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0 and <= 1_000_000 ? number : 1);

    public string Links(bool hasMore) =>
        Number == 1 && !hasMore ? ""
        : $"<nav aria-label=\"Pages\"><p class=\"links\">{(Number > 1 ? $"<a href=\"?page={Number - 1}\" rel=\"prev\">Previous</a> " : "")}Page {Number}"
            + $"{(hasMore ? $" <a href=\"?page={Number + 1}\" rel=\"next\">Next</a>" : "")}</p></nav>\n";
}
