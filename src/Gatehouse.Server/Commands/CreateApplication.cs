using System.CommandLine;
using System.Globalization;
using Gatehouse.Audit;
using Gatehouse.Http;
using Gatehouse.OAuth;
using Gatehouse.OAuth.Clients;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse createapplication TYPE GRANT</c> (DOT's <c>createapplication</c>).</summary>
internal static class CreateApplication
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var type = new Argument<string>("client_type") { Description = $"The client type, one of: {Names(ClientChoices.Types)}" };
        var grant = new Argument<string>("authorization_grant_type") { Description = $"The type of authorization grant to be used, one of: {Names(ClientChoices.Grants)}" };
        var id = new Option<string?>("--client-id") { Description = "The ID of the new application" };
        var user = new Option<string?>("--user") { Description = "The user the application belongs to, by number" };
        var redirects = new Option<string?>("--redirect-uris") { Description = "The redirect URIs, this must be a space separated string e.g 'URI1 URI2'" };
        var logouts = new Option<string?>("--post-logout-redirect-uris") { Description = "The post logout redirect URIs, this must be a space separated string e.g 'URI1 URI2'" };
        var secret = new Option<string?>("--client-secret") { Description = "The secret for this application" };
        var plain = new Option<bool>("--no-hash-client-secret") { Description = "Don't hash the client secret" };
        var name = new Option<string?>("--name") { Description = "The name this application" };
        var skip = new Option<bool>("--skip-authorization") { Description = "If set, completely bypass the authorization form, even on the first use of the application" };
        var algorithm = new Option<string?>("--algorithm") { Description = "The OIDC token signing algorithm for this application, one of: RS256, HS256, ES256" };
        var method = new Option<string?>("--token-endpoint-auth-method") { Description = "How the client proves who it is, if not by its secret: private_key_jwt or client_secret_jwt" };
        var jwks = new Option<FileInfo?>("--jwks") { Description = "A file with the public keys of private_key_jwt, RFC 7517" };
        var jwksUri = new Option<string?>("--jwks-uri") { Description = "Where these keys are, instead" };
        var command = new Command("createapplication", "Register an OAuth client.") { type, grant, id, user, redirects, logouts, secret, plain, name, skip, algorithm, method, jwks, jwksUri };
        CommandContext.SetAction(command, context, async (parsed, services) =>
        {
            if (!services.GetRequiredService<OAuthApp>().IsInstalled)
                throw new CommandException("The database has no tables of django-oauth-toolkit, or OAuth:Enabled is false: there is nowhere to put an application.");
            string Text(Option<string?> option) => parsed.GetValue(option) ?? "";
            var registration = services.GetRequiredService<ClientRegistration>();
            var draft = registration.NewDraft();
            draft.SecretIsOurs = Text(secret).Length == 0;
            if (!draft.SecretIsOurs) draft.ClientSecret = Text(secret);
            if (Text(id).Length > 0) draft.ClientId = Text(id);
            (draft.ClientType, draft.AuthorizationGrantType) = (parsed.GetValue(type)!, parsed.GetValue(grant)!);
            (draft.RedirectUris, draft.PostLogoutRedirectUris) = (Text(redirects), Text(logouts));
            (draft.Name, draft.Algorithm) = (Text(name), Text(algorithm));
            (draft.AuthMethod, draft.JwksUri, draft.Jwks) = (Text(method), Text(jwksUri), parsed.GetValue(jwks) is { } keys ? Read(keys) : "");
            (draft.HashClientSecret, draft.SkipAuthorization) = (!parsed.GetValue(plain), parsed.GetValue(skip));

            var wrongUser = await OwnAsync(draft, Text(user), services);
            var entry = services.GetRequiredService<AuditTrail>().Of(AuditEvent.Added);
            var errors = wrongUser is not null
                ? [.. registration.Check(draft), wrongUser]
                : (await registration.CreateAsync(draft, (tx, key) => AuditTrail.WriteAsync(tx, Client.Tell(entry, key, draft.ToClient(""))), CancellationToken.None)).Errors;
            if (errors.Count > 0)
            {
                var lines = errors.GroupBy(error => error.Field).Select(field => $"- {field.Key}: [{string.Join(", ", field.Select(error => PythonText.Repr(error.Message)))}]");
                throw new CommandException($"Please correct the following errors:\n {string.Join("\n ", lines)}");
            }
            Console.WriteLine($"New application {(draft.Name.Length > 0 ? draft.Name : draft.ClientId)} created successfully.");
            if (draft.SecretIsOurs) Console.WriteLine($"client_secret: {draft.ClientSecret}");
            return 0;
        });
        return command;
    }

    private static string Read(FileInfo file)
    {
        try
        {
            return file.Length <= 64 * 1024 ? File.ReadAllText(file.FullName) : throw new CommandException($"{file} is longer than 64 KiB; it is no set of keys.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"--jwks: {error.Message}");
        }
    }

    /// <returns>What is wrong with the owner; null: nothing.</returns>
    private static async Task<ClientError?> OwnAsync(ClientDraft draft, string user, IServiceProvider services)
    {
        if (user.Length == 0) return null;
        var id = long.TryParse(user, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? new UserId(number)
            : UserId.TryParse(user, out var uuid) ? uuid
            : (UserId?)null;
        if (id is null) return new("user", $"“{user}” value must be an integer.");
        if (await services.GetRequiredService<UserAccounts>().FindAsync(id.Value, CancellationToken.None) is not { } owner)
            return new("user", $"user instance with id {id} does not exist.");
        draft.UserId = owner.Id;
        return null;
    }

    private static string Names((string Value, string Label)[] choices) => string.Join(", ", choices.Select(choice => choice.Value));
}
