using System.Security.Cryptography;
using System.Text.Json;
using Gatehouse.Crypto;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.Users;

/// <summary>
/// Browsers that a user has logged in from, by a signed cookie: so that guesses of strangers cannot lock their owner out. It proves nothing
/// else, is good for one user, and ends with the password.
/// </summary>
internal sealed class KnownDevices(GatehouseOptions options, TimeProvider clock)
{
    private static readonly TimeSpan Age = TimeSpan.FromDays(400);

    private readonly DjangoSigner signer = new("gatehouse.known_device", [options.SecretKey, .. options.SecretKeyFallbacks]);

    // Browsers take such a name over HTTPS only, and from this host only.
    private string CookieName => options.Session.CookieSecure ? "__Host-gatehouse-device" : "gatehouse-device";

    /// <summary>After a login: the browser is known from now on.</summary>
    public void Remember(HttpContext http, User user)
    {
        if (options.Accounts.KnownDevices != true || Of(http, user) is not null) return;
        var json = JsonSerializer.SerializeToUtf8Bytes(
            [user.Id.ToString(), RandomNumberGenerator.GetHexString(32, lowercase: true), Fit(user)], KnownDeviceJson.Default.StringArray);
        Cookies.Append(http, CookieName, signer.Sign(json, clock.GetUtcNow()), Age, clock.GetUtcNow(), null, "/", options.Session.CookieSecure, httpOnly: true, "Lax");
    }

    /// <returns>The device's own number; null when this user has not logged in from it.</returns>
    public string? Of(HttpContext http, User user)
    {
        if (options.Accounts.KnownDevices != true || Cookies.Read(http, CookieName) is not { Length: < 500 } cookie || signer.Verify(cookie) is not { } json) return null;
        return JsonSerializer.Deserialize(json, KnownDeviceJson.Default.StringArray) is [var id, { Length: 32 } device, var fit] && id == user.Id.ToString() && fit == Fit(user)
            ? device
            : null;
    }

    private string Fit(User user) => DjangoSigner.SaltedHmac("gatehouse.known_device", options.SecretKey, user.Password)[..16];
}

[System.Text.Json.Serialization.JsonSerializable(typeof(string[]))]
internal sealed partial class KnownDeviceJson : System.Text.Json.Serialization.JsonSerializerContext;
