using Gatehouse.Http;
using Gatehouse.Users;
using Microsoft.AspNetCore.Http;

namespace Gatehouse.AuthTokens;

/// <summary>POST /api-token-auth/ trades a user name and password for a token (DRF <c>ObtainAuthToken</c>).</summary>
internal static class ObtainAuthToken
{
    public static async Task<IResult> HandleAsync(HttpContext http, TokenStore tokens, GatehouseOptions options)
    {
        var (form, error) = await ApiForm.ReadAsync(http, options);
        if (error is not null) return error;
        var username = form.Text("username");
        var password = form.Text("password", trim: false);
        if (form.Error is { } wrong) return wrong;

        var outcome = await http.GetLogins().CheckAsync(http, username!, password!, FactorAnswer.Of(form), remember: false, http.RequestAborted);
        if (outcome.ApiRefusal is { } refusal) return refusal;
        if (outcome.Admitted is not { } user) return ApiError.Validation(options.RestFramework.NonFieldErrorsKey, "Unable to log in with provided credentials.");

        var key = await tokens.GetOrCreateAsync(user.Id, http.RequestAborted);
        return ApiJson.Write(StatusCodes.Status200OK, json =>
        {
            json.WriteStartObject();
            json.WriteString("token", key);
            json.WriteEndObject();
        });
    }
}
