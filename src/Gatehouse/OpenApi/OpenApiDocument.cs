using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Gatehouse.Accounts;
using Gatehouse.Authentication;
using Gatehouse.AuthTokens;
using Gatehouse.Jwt;
using Gatehouse.OAuth;
using Gatehouse.OAuth.Tokens;
using Gatehouse.Permissions;
using Gatehouse.Sessions;
using Gatehouse.Views;
using Microsoft.AspNetCore.Routing;

namespace Gatehouse.OpenApi;

/// <summary>
/// The OpenAPI 3.1 document of what is mapped. Each feature has an <c>openapi.json</c> beside its routes, with its paths as the settings may change
/// them; what all views share, and who may call, is added from their plans. A path that is not mapped is left out, a view of the host's own is
/// added by its name, description and methods.
/// </summary>
internal sealed class OpenApiDocument(GatehouseOptions options, EndpointPlans plans, Scopes scopes, GatehouseRoutes.Mapped mapped)
{
    private static readonly string[] Parts = ["OpenApi", "Accounts", "AuthTokens", "Jwt", "OAuth", "Http"];
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly Lazy<byte[]> utf8 = new(() => Encoding.UTF8.GetBytes(Build(options, plans, scopes, mapped).ToJsonString(Indented)));

    /// <summary>Made at the first request, when all endpoints are mapped.</summary>
    public byte[] Utf8 => utf8.Value;

    private static JsonObject Build(GatehouseOptions options, EndpointPlans plans, Scopes scopes, GatehouseRoutes.Mapped mapped)
    {
        var document = Read(Parts[0], options);
        var described = new JsonObject();
        foreach (var part in Parts[1..].Select(name => Read(name, options)))
        {
            foreach (var tag in part["tags"]!.AsArray()) document["tags"]!.AsArray().Add(tag!.DeepClone());
            Merge(part["paths"]!.AsObject(), described);
            foreach (var (kind, components) in part["components"]!.AsObject()) Merge(components!.AsObject(), document["components"]![kind]!.AsObject());
        }

        var paths = document["paths"]!.AsObject();
        var endpoints = mapped.Sources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .SelectMany(PathsOf, (endpoint, path) => (endpoint, path)).GroupBy(one => one.path).ToDictionary(group => group.Key, group => group.First().endpoint);
        foreach (var (path, item) in described)
            if (endpoints.TryGetValue(path, out var endpoint) && (options.OAuth.OidcEnabled || !IsOpenId(item!)))
                paths[path] = endpoint.Metadata.GetMetadata<ApiView>() is { } view ? Complete(item!.DeepClone().AsObject(), view, plans.Of(endpoint)!, document) : item!.DeepClone();
        foreach (var (path, endpoint) in endpoints)
            if (!described.ContainsKey(path) && path.Contains('{', StringComparison.Ordinal) == endpoint.RoutePattern.Parameters.Count > 0 && endpoint.Metadata.GetMetadata<ApiView>() is { } own)
                paths[path] = Complete(Describe(own, endpoint), own, plans.Of(endpoint)!, document);

        var schemes = document["components"]!["securitySchemes"]!.AsObject();
        schemes["oauth2"]!["flows"] = Flows(options, scopes);
        RemoveUnused(document);
        return document;
    }

    /// <summary>A feature's part, with the paths and names that settings give.</summary>
    private static JsonObject Read(string folder, GatehouseOptions options)
    {
        using var stream = typeof(OpenApiDocument).Assembly.GetManifestResourceStream($"Gatehouse.{folder}.openapi.json")!;
        using var reader = new StreamReader(stream);
        var text = new StringBuilder(reader.ReadToEnd());
        foreach (var (name, value) in ((string, string)[])
            [
                ("title", options.OpenApi.Title), ("version", typeof(OpenApiDocument).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0]),
                ("accounts", options.Accounts.Path.TrimEnd('/')), ("token_auth", options.AuthToken.Path), ("jwt", options.Jwt.Path.TrimEnd('/')),
                ("sliding", options.Jwt.SlidingPath.TrimEnd('/')), ("oauth", options.OAuth.Path),
                ("session_cookie", options.Session.CookieName), ("csrf_cookie", options.Csrf.CookieName), ("csrf_header", options.Csrf.HeaderName),
            ])
            text.Replace("{{" + name + "}}", JsonEncodedText.Encode(value, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).Value);
        return JsonNode.Parse(text.ToString())!.AsObject();
    }

    private static void Merge(JsonObject from, JsonObject into)
    {
        foreach (var (name, value) in from) into[name] = value!.DeepClone();
    }

    // Mapped also where it is off, to say so.
    private static bool IsOpenId(JsonNode item) => item.AsObject().Any(member => member.Value is JsonObject operation && (string?)operation["tags"]?[0] == "OpenID Connect");

    // A catch-all is what may stand behind the path, or must.
    private static string[] PathsOf(RouteEndpoint endpoint)
    {
        var path = endpoint.RoutePattern.RawText ?? "";
        if (!path.StartsWith('/')) path = "/" + path;
        return path.IndexOf("/{**", StringComparison.Ordinal) is >= 0 and var at ? [path[..at], path.Replace("{**", "{", StringComparison.Ordinal)] : [path];
    }

    /// <summary>What OPTIONS tells of a view, and no more.</summary>
    private static JsonObject Describe(ApiView view, RouteEndpoint endpoint)
    {
        var item = new JsonObject();
        if (endpoint.RoutePattern.Parameters.Count > 0)
            item["parameters"] = new JsonArray([.. endpoint.RoutePattern.Parameters.Select(one => (JsonNode)new JsonObject
            {
                ["name"] = one.Name,
                ["in"] = "path",
                ["required"] = true,
                ["schema"] = new JsonObject { ["type"] = "string" },
            })]);
        foreach (var method in view.Methods.Where(method => method is "GET" or "POST" or "PUT" or "PATCH" or "DELETE"))
        {
            var operation = new JsonObject
            {
                ["operationId"] = string.Join('_', new string([.. $"{method.ToLowerInvariant()}{endpoint.RoutePattern.RawText}".Select(c => char.IsAsciiLetterOrDigit(c) ? c : '_')]).Split('_', StringSplitOptions.RemoveEmptyEntries)),
                ["summary"] = view.Name,
            };
            if (view.Description.Length > 0) operation["description"] = view.Description;
            if (method is "POST" or "PUT" or "PATCH")
                operation["requestBody"] = new JsonObject { ["content"] = new JsonObject { ["application/json"] = new JsonObject { ["schema"] = new JsonObject { ["type"] = "object" } } } };
            operation["responses"] = new JsonObject { ["200"] = new JsonObject { ["description"] = "The view's own answer." } };
            item[method.ToLowerInvariant()] = operation;
        }
        return item;
    }

    /// <summary>What every view answers besides, and who may call it.</summary>
    private static JsonObject Complete(JsonObject item, ApiView view, EndpointPlan plan, JsonObject document)
    {
        foreach (var operation in item.Where(member => member.Key != "parameters").Select(member => member.Value!.AsObject()))
        {
            var responses = operation["responses"]!.AsObject();
            void Also(string status, string name) => responses[status] ??= new JsonObject { ["$ref"] = $"#/components/responses/{name}" };

            if (operation["requestBody"]?["content"]?.AsObject() is { } content)
            {
                // One schema in each form that the view reads.
                var body = content["application/json"]!;
                content.Remove("application/json");
                foreach (var type in view.Parses) content[type] = body.DeepClone();
            }
            // The CSRF check looks for its token in any body, and OAuth for its own.
            if (operation.ContainsKey("requestBody") || plan.Schemes.Any(scheme => scheme is SessionAuthentication or OAuth2Authentication))
            {
                Also("400", "BadRequest");
                Also("413", "TooLarge");
                Also("415", "UnsupportedMediaType");
            }
            operation["security"] ??= Security(plan, document);
            if (operation["security"]!.AsArray().Count > 0)
            {
                Also("401", "Unauthorized");
                Also("403", "Forbidden");
            }
            Also("406", "NotAcceptable");
            if (plan.Throttles.Count > 0) Also("429", "Throttled");
            Also("503", "Unavailable");
            operation["responses"] = new JsonObject(responses.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => KeyValuePair.Create(one.Key, one.Value?.DeepClone())));
        }
        return item;
    }

    // Whoever is let in anyway still may say who they are; wrong credentials are refused there too.
    private static JsonArray Security(EndpointPlan plan, JsonObject document)
    {
        var security = new JsonArray();
        foreach (var scheme in plan.Schemes)
        {
            if (scheme is OAuth2Authentication && plan.Permissions.Any(permission => permission is IsOwner)) continue;
            var name = NameOf(scheme);
            if (name == scheme.GetType().Name)
            {
                var schemes = document["components"]!["securitySchemes"]!.AsObject();
                schemes[name] ??= new JsonObject { ["type"] = "apiKey", ["in"] = "header", ["name"] = "Authorization", ["description"] = "A scheme of the application's own." };
            }
            if (!security.Any(one => one!.AsObject().ContainsKey(name))) security.Add((JsonNode)new JsonObject { [name] = new JsonArray() });
        }
        if (security.Count > 0 && plan.Permissions.All(permission => permission is AllowAny or IsAuthenticatedOrReadOnly or IsReadOnly)) security.Add((JsonNode)new JsonObject());
        return security;
    }

    private static string NameOf(BaseAuthentication scheme) => scheme switch
    {
        BasicAuthentication => "basic",
        SessionAuthentication => "session",
        TokenAuthentication => "token",
        JWTAuthentication or JWTStatelessUserAuthentication => "jwt",
        OAuth2Authentication => "oauth2",
        _ => scheme.GetType().Name,
    };

    private static JsonObject Flows(GatehouseOptions options, Scopes scopes)
    {
        var path = options.OAuth.Path;
        JsonObject Flow(bool authorize) => new((KeyValuePair<string, JsonNode?>[])
        [
            .. authorize ? [KeyValuePair.Create("authorizationUrl", (JsonNode?)(path + "authorize/"))] : Array.Empty<KeyValuePair<string, JsonNode?>>(),
            KeyValuePair.Create("tokenUrl", (JsonNode?)(path + "token/")),
            KeyValuePair.Create("refreshUrl", (JsonNode?)(path + "token/")),
            KeyValuePair.Create("scopes", (JsonNode?)new JsonObject(scopes.All.Select(scope => KeyValuePair.Create(scope.Key, (JsonNode?)scope.Value)))),
        ]);
        var flows = new JsonObject { ["authorizationCode"] = Flow(authorize: true), ["clientCredentials"] = Flow(authorize: false) };
        if (options.OAuth.CompliantBcpRfc9700PasswordGrant != true) flows["password"] = Flow(authorize: false);
        return flows;
    }

    /// <summary>Components that only paths need which are not mapped.</summary>
    private static void RemoveUnused(JsonObject document)
    {
        var components = document["components"]!.AsObject();
        for (var removed = true; removed;)
        {
            removed = false;
            var text = document.ToJsonString(Indented);
            foreach (var kind in (string[])["responses", "schemas"])
                foreach (var name in components[kind]!.AsObject().Select(one => one.Key).ToList())
                    if (!text.Contains($"\"#/components/{kind}/{name}\"", StringComparison.Ordinal))
                        removed |= components[kind]!.AsObject().Remove(name);
        }
        var security = document["paths"]!.ToJsonString();
        var schemes = components["securitySchemes"]!.AsObject();
        foreach (var name in schemes.Select(one => one.Key).ToList())
            if (!security.Contains($"{{\"{name}\":[", StringComparison.Ordinal)) schemes.Remove(name);
        var tags = document["tags"]!.AsArray();
        foreach (var tag in tags.Where(tag => !security.Contains($"\"tags\":[\"{(string?)tag!["name"]}\"]", StringComparison.Ordinal)).ToList()) tags.Remove(tag);
    }
}
