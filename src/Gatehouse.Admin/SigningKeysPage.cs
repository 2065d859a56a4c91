using System.Globalization;
using Gatehouse.Administration;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using static Gatehouse.Admin.AdminPage;

namespace Gatehouse.Admin;

/// <summary>/admin/gatehouse/signingkey/: the keys of ID tokens, for superusers.</summary>
internal static class SigningKeysPage
{
    public const string Url = "/admin/gatehouse/signingkey/";

    public static async Task<IResult> HandleAsync(AdminPage site)
    {
        if (!site.Staff.User.IsSuperuser) return site.Forbidden();
        var keys = site.Http.RequestServices.GetRequiredService<SigningKeyList>();
        if (site.IsPost)
        {
            if (await keys.RotateAsync(site.Staff, site.Ct) is not { } from) return site.Forbidden();
            await site.TellAsync("success", $"The new keys are published and sign from {from.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC on. No server has to be restarted.");
            return site.Redirect(Url);
        }

        var all = keys.All();
        var body = !keys.IsEnabled
            ? "<p class=\"empty\">OpenID Connect is off (<code>OIDC_ENABLED</code>), so no keys sign ID tokens.</p>"
            : $"""
            <div class="scroll" role="region" tabindex="0" aria-label="Signing keys"><table><thead><tr><th scope="col">Key ID</th><th scope="col">Algorithm</th><th scope="col">State</th><th scope="col">Signs from</th><th scope="col">Kept until</th></tr></thead>
            <tbody>
            {string.Concat(all.Select(key => $"<tr><th scope=\"row\"><code>{E(key.Id)}</code></th><td>{E(key.Algorithm)}</td><td>{E(key.State)}</td><td>{Moment(key.SignsFrom)}</td><td>{Moment(key.Until)}</td></tr>\n"))}</tbody></table></div>
            {(keys.CanRotate
                ? $"<form method=\"post\">{site.CsrfField()}<p>New keys are published at once and sign when nobody can hold a list without them; the old ones verify as long as a token of them lives.</p><div class=\"submit\"><button type=\"submit\" class=\"primary\">Make new keys</button></div></form>"
                : "<p>The key is that of <code>OIDC_RSA_PRIVATE_KEY</code>: it is replaced in the settings.</p>")}
            """;
        return await site.ShowAsync("Signing keys", [("Gatehouse", null), ("Signing keys", null)], body);

        static string Moment(DateTimeOffset? time) => time is { } moment ? Time(moment) : "<span class=\"none\">-</span>";
    }
}
