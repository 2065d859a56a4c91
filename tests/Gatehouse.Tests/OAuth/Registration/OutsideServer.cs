using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Gatehouse.OAuth.Registration;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.Logging;

namespace Gatehouse.Tests.OAuth.Registration;

/// <summary>
/// Somebody else's web server: HTTPS on loopback, under any name that ends in <c>.test</c>, with a certificate that this outside trusts. Only
/// this outside can reach it, since loopback is public in it.
/// </summary>
internal sealed class OutsideServer : IAsyncDisposable
{
    private static readonly X509Certificate2 Certificate = MakeCertificate("client.test", "*.client.test");

    private readonly WebApplication app;

    private OutsideServer(WebApplication app)
    {
        this.app = app;
        Outside = new Outside
        {
            Resolve = host =>
            {
                Resolved.Enqueue(host);
                return host.EndsWith(".test", StringComparison.Ordinal) ? [IPAddress.Loopback] : throw new System.Net.Sockets.SocketException((int)System.Net.Sockets.SocketError.HostNotFound);
            },
            IsPublic = address => IPAddress.IsLoopback(address) || PublicAddress.Is(address),
            TrustedRoots = [Certificate],
        };
    }

    public Outside Outside { get; init; }

    /// <summary>Names that were looked up, in their order.</summary>
    public ConcurrentQueue<string> Resolved { get; } = new();

    /// <summary>Paths that were asked for, in their order.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public RequestDelegate Answer { get; set; } = _ => Task.CompletedTask;

    public int Port => new Uri(app.Urls.First()).Port;

    public static async Task<OutsideServer> StartAsync(X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        // Offline: a server looks for the issuer of its certificate too, and it is this process that must not.
        var tls = new SslServerAuthenticationOptions { ServerCertificateContext = SslStreamCertificateContext.Create(certificate ?? Certificate, null, offline: true) };
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
            listen.UseHttps(new TlsHandshakeCallbackOptions { OnConnection = _ => ValueTask.FromResult(tls) })));
        var app = builder.Build();
        var server = new OutsideServer(app);
        app.Run(http =>
        {
            server.Asked.Enqueue(http.Request.Path + http.Request.QueryString);
            return server.Answer(http);
        });
        await app.StartAsync();
        return server;
    }

    public string Url(string path, string host = "client.test") => $"https://{host}:{Port}{path}";

    /// <summary>An answer with JSON.</summary>
    public static RequestDelegate Json(string json, string type = "application/json", int status = 200, string? cacheControl = null) => http =>
    {
        http.Response.StatusCode = status;
        http.Response.ContentType = type;
        if (cacheControl is not null) http.Response.Headers.CacheControl = cacheControl;
        return http.Response.WriteAsync(json, http.RequestAborted);
    };

    public ValueTask DisposeAsync() => app.DisposeAsync();

    public static X509Certificate2 MakeCertificate(params string[] names) => MakeCertificate(null, null, names);

    /// <param name="issuer">Null: itself.</param>
    /// <param name="issuerUrl">Where the issuer's certificate is said to be.</param>
    /// <param name="names">Its hosts.</param>
    public static X509Certificate2 MakeCertificate(X509Certificate2? issuer, string? issuerUrl, params string[] names)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest($"CN={names[0]}", key, HashAlgorithmName.SHA256);
        var alternative = new SubjectAlternativeNameBuilder();
        foreach (var name in names) alternative.AddDnsName(name);
        request.CertificateExtensions.Add(alternative.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1")], critical: false));
        if (issuerUrl is not null) request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [issuerUrl]));
        var (from, to) = (new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero), new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        if (issuer is null) return request.CreateSelfSigned(from, to);

        using var signing = issuer.GetECDsaPrivateKey()!;
        return request.Create(issuer.SubjectName, X509SignatureGenerator.CreateForECDsa(signing), from, to, [1, 2, 3, 4]).CopyWithPrivateKey(key);
    }
}
