using System.Security.Claims;
using Gatehouse;
using Gatehouse.Authentication;
using Gatehouse.OAuth.Tokens;

// An API of its own, with its own database, whose users log in at a Gatehouse elsewhere. README.md beside this file says how to try it.
var builder = WebApplication.CreateBuilder(args);
builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);

// The Gatehouse that gives tokens, and who this API is to it. The secret is not for a file: ClientSecret in the environment.
var issuer = builder.Configuration["Issuer"] ?? "http://127.0.0.1:8000/o";
var (clientId, clientSecret) = (builder.Configuration["ClientId"] ?? "orders-api", builder.Configuration["ClientSecret"] ?? "");

// Access tokens say nothing by themselves: Gatehouse is asked about each, and its answer is kept for a minute at the most.
builder.Services.AddGatehouse(gatehouse =>
{
    gatehouse.Database = "sqlite:///" + (builder.Configuration["DatabaseFile"] ?? "orders.db");
    gatehouse.OAuth.ResourceServerIntrospectionUrl = issuer + "/introspect/";
    gatehouse.OAuth.ResourceServerIntrospectionCredentials = [clientId, clientSecret];
    gatehouse.OAuth.ResourceServerTokenCachingSeconds = 60;
});

// ID tokens are JSON Web Tokens: ASP.NET Core's own JwtBearer reads the keys in the discovery document and asks nobody. An ID token says who logged in at
// the client that it was made for, so only that client's are good here.
builder.Services.AddAuthentication().AddJwtBearer(jwt =>
{
    jwt.Authority = issuer;
    jwt.Audience = builder.Configuration["FrontEnd"] ?? "shop";
    jwt.RequireHttpsMetadata = !new Uri(issuer).IsLoopback;
    jwt.MapInboundClaims = false;
});
builder.Services.AddAuthorization();

var app = builder.Build();
app.UseGatehouse();
app.UseAuthentication();
app.UseAuthorization();

// Who is refused is told where this says which server gives tokens for it (RFC 9728).
app.MapGet("/.well-known/oauth-protected-resource", (HttpRequest request) => new Dictionary<string, object>
{
    ["resource"] = $"{request.Scheme}://{request.Host}",
    ["authorization_servers"] = new[] { issuer },
    ["bearer_methods_supported"] = new[] { "header" },
    ["scopes_supported"] = new[] { "read", "write" },
});

// By access token: what the client may do, for whom.
app.MapGet("/orders", (HttpContext http) => new { orders = new[] { "A ticket to the sea" }, user = http.GetUser()?.Username })
    .RequirePermission(new TokenHasScope("read")).WithSchemes(typeof(OAuth2ProtectedResourceAuthentication));
app.MapPost("/orders", (HttpContext http) => Results.Created("/orders/2", new { user = http.GetUser()?.Username }))
    .RequirePermission(new TokenHasScope("write")).WithSchemes(typeof(OAuth2ProtectedResourceAuthentication));

// By ID token: who it is.
app.MapGet("/whoami", (ClaimsPrincipal user) => new { sub = user.FindFirstValue("sub"), client = user.FindFirstValue("aud") }).RequireAuthorization();

app.Run();
