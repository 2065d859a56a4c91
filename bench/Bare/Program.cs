// What Kestrel and a minimal endpoint can do on this machine when nobody is asked who they are: the 1.00 of every ratio.
// Usage: Bare ADDRESS ID USERNAME EMAIL
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

var builder = WebApplication.CreateSlimBuilder();
builder.Logging.ClearProviders();
builder.WebHost.UseUrls("http://" + args[0]);
builder.Services.ConfigureHttpJsonOptions(json =>
{
    json.SerializerOptions.PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower;
    json.SerializerOptions.Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping;
    json.SerializerOptions.TypeInfoResolverChain.Insert(0, UserContext.Default);
});

var app = builder.Build();
var (id, username, email) = (long.Parse(args[1], CultureInfo.InvariantCulture), args[2], args[3]);
app.MapGet("/api/accounts/profile/", () => new UserJson(id, username, email, IsStaff: false));
app.Run();

internal sealed record UserJson(long Id, string Username, string Email, bool IsStaff);

[JsonSerializable(typeof(UserJson))]
internal sealed partial class UserContext : JsonSerializerContext;
