using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.OAuth;

/// <summary>Refuses bodies that are no form, where the setting wants it (DOT's <c>FormEncodedRequestMixin</c>).</summary>
internal static class FormBody
{
    private const string Form = "application/x-www-form-urlencoded";

    /// <param name="http">The request.</param>
    /// <param name="endpoint">What to call it.</param>
    /// <returns>415 for a POST with another body; null: it may go on.</returns>
    public static IResult? Refuse(HttpContext http, string endpoint)
    {
        if (!http.RequestServices.GetRequiredService<OAuthOptions>().RequireFormEncodedRequestBody || !HttpMethods.IsPost(http.Request.Method)) return null;
        var type = MediaType.Parse(http.Request.ContentType ?? "");
        if (type.Is("application", "x-www-form-urlencoded") && type.Main != "*") return null;
        var received = type.Main.Length == 0 ? "no Content-Type header" : type.Sub.Length == 0 ? type.Main : $"{type.Main}/{type.Sub}";
        return ApiJson.Write(StatusCodes.Status415UnsupportedMediaType, json =>
        {
            json.WriteStartObject();
            json.WriteString("error", "invalid_request");
            json.WriteString("error_description", $"{endpoint} takes its parameters in an {Form} request body; got {received}.");
            json.WriteEndObject();
        });
    }
}
