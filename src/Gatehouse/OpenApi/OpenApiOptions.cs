namespace Gatehouse.OpenApi;

/// <summary>The description of the API, for programs and for people.</summary>
public sealed class OpenApiOptions
{
    /// <summary>Where the OpenAPI 3.1 document is. Default <c>/openapi.json</c>; empty: nowhere.</summary>
    public string Path { get; set; } = "/openapi.json";

    /// <summary>Where people read it. Default <c>/docs</c>; empty: nowhere.</summary>
    public string DocsPath { get; set; } = "/docs";

    /// <summary>What the document calls the API. Default <c>Gatehouse</c>.</summary>
    public string Title { get; set; } = "Gatehouse";
}
