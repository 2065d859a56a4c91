using System.Text.Json;
using Gatehouse.Http;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Views;

/// <summary>
/// One path and its methods (DRF <c>APIView</c>): answers OPTIONS with metadata, HEAD as GET, and other methods with 405 and <c>Allow</c>.
/// </summary>
public sealed class ApiView
{
    private readonly Dictionary<string, Func<HttpContext, Task<IResult>>> handlers = new(StringComparer.Ordinal);
    private readonly IServiceProvider services;
    private readonly string name;

    internal ApiView(string name, IServiceProvider services)
    {
        this.name = name;
        this.services = services;
        var defaults = services.GetRequiredService<GatehouseOptions>().RestFramework;
        Renders = defaults.HasBrowsableApi ? ["application/json", "text/html"] : ["application/json"];
        Parses = [.. defaults.ParsedMediaTypes];
    }

    /// <summary>What OPTIONS tells about the view. Default: empty.</summary>
    public string Description { get; set; } = "";

    /// <summary>A function view of DRF's (<c>@api_view</c>) has no HEAD of its own. Default: false.</summary>
    public bool IsFunction { get; set; }

    internal string Name => name;

    internal IEnumerable<string> Methods => handlers.Keys;

    internal IReadOnlyList<string> Renders { get; set; }
    internal IReadOnlyList<string> Parses { get; set; }
    internal IReadOnlyList<ViewField> PostFields { get; set; } = [];

    /// <summary>What the page's form asks for, also where OPTIONS does not tell it.</summary>
    internal IReadOnlyList<ViewField> FormFields { get => field ?? PostFields; set; }

    /// <summary>Whether a POST needs nothing but the will.</summary>
    internal bool TakesNoBody { get; set; }

    internal bool HasGet => handlers.ContainsKey("GET");

    /// <summary>The <c>Allow</c> header.</summary>
    internal string Allow { get; private set; } = "OPTIONS";

    /// <summary>Answers GET, and HEAD.</summary>
    public ApiView Get(Func<HttpContext, Task<IResult>> handler) => On("GET", handler);

    /// <summary>Answers POST.</summary>
    public ApiView Post(Func<HttpContext, Task<IResult>> handler) => On("POST", handler);

    /// <summary>Answers PUT.</summary>
    public ApiView Put(Func<HttpContext, Task<IResult>> handler) => On("PUT", handler);

    /// <summary>Answers PATCH.</summary>
    public ApiView Patch(Func<HttpContext, Task<IResult>> handler) => On("PATCH", handler);

    /// <summary>Answers DELETE.</summary>
    public ApiView Delete(Func<HttpContext, Task<IResult>> handler) => On("DELETE", handler);

    /// <summary>Answers one method; the body, if it is wanted, is read with <see cref="RequestData"/>.</summary>
    public ApiView On(string method, Func<HttpContext, Task<IResult>> handler)
    {
        handlers[method] = handler;
        return this;
    }

    /// <summary>
    /// As <see cref="On(string, Func{HttpContext, Task{IResult}})"/> with any delegate that minimal APIs take: its parameters are services,
    /// route values, the query, <c>HttpContext</c>.
    /// </summary>
    public ApiView On(string method, Delegate handler)
    {
        var bound = RequestDelegateFactory.Create(
            handler, new RequestDelegateFactoryOptions { ServiceProvider = services, DisableInferBodyFromParameters = true }).RequestDelegate;
        return On(method, async http =>
        {
            await bound(http);
            return Results.Empty;
        });
    }

    internal void Finish()
    {
        string[] order = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        var allowed = order.Where(handlers.ContainsKey).ToList();
        if (handlers.ContainsKey("GET") && !IsFunction) allowed.Add("HEAD");
        allowed.Add("OPTIONS");
        Allow = string.Join(", ", allowed);
    }

    internal async Task DispatchAsync(HttpContext http, EndpointPlan plan)
    {
        var method = http.Request.Method;
        var answer =
            handlers.TryGetValue(method, out var handler) || method == "HEAD" && !IsFunction && handlers.TryGetValue("GET", out handler) ? await handler(http)
            : method == "OPTIONS" ? Describe(PostFields.Count > 0 && await plan.MayAsync(http, HttpMethods.Post))
            : ApiError.MethodNotAllowed(method);
        await answer.ExecuteAsync(http);
    }

    // DRF SimpleMetadata: what may be sent is told to those who may send it.
    private ApiJson Describe(bool withFields) => ApiJson.Write(StatusCodes.Status200OK, json => Write(json, withFields));

    internal void Write(Utf8JsonWriter json, bool withFields)
    {
        json.WriteStartObject();
        json.WriteString("name", name);
        json.WriteString("description", Description);
        WriteList("renders", Renders);
        WriteList("parses", Parses);
        if (withFields)
        {
            json.WriteStartObject("actions");
            json.WriteStartObject("POST");
            foreach (var field in PostFields) field.Write(json);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndObject();

        void WriteList(string key, IReadOnlyList<string> values)
        {
            json.WriteStartArray(key);
            foreach (var value in values) json.WriteStringValue(value);
            json.WriteEndArray();
        }
    }
}

/// <summary>A field as OPTIONS tells it.</summary>
internal sealed record ViewField(string Name, string Type, string Label, bool Required = false, bool ReadOnly = false, string? Help = null, int? MaxLength = null)
{
    /// <summary>What doors ask of who has a second factor.</summary>
    public static ViewField OneTimeCode { get; } = new("otp", "string", "One-time code", Help: "Of your second factor, if you have one.");

    /// <summary>What a browser made of a passkey, in the place of such a code.</summary>
    public static ViewField Passkey { get; } = new("passkey", "nested object", "Passkey", Help: "In place of the code: state and credential.");

    public void Write(Utf8JsonWriter json)
    {
        json.WriteStartObject(Name);
        json.WriteString("type", Type);
        json.WriteBoolean("required", Required);
        json.WriteBoolean("read_only", ReadOnly);
        json.WriteString("label", Label);
        if (Help is not null) json.WriteString("help_text", Help);
        if (MaxLength is { } most) json.WriteNumber("max_length", most);
        json.WriteEndObject();
    }
}
