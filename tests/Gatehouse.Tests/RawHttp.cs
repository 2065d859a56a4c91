using System.Net.Sockets;
using System.Text;

namespace Gatehouse.Tests;

/// <summary>HTTP by the byte, for what no client would send.</summary>
public sealed class RawHttp : IDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private readonly TcpClient tcp = new() { NoDelay = true };
    private readonly Uri address;
    private readonly List<byte> unread = [];
    private NetworkStream stream = null!;

    private RawHttp(Uri address) => this.address = address;

    public static async Task<RawHttp> ConnectAsync(TestServer server)
    {
        var raw = new RawHttp(server.Address);
        await raw.tcp.ConnectAsync(server.Address.Host, server.Address.Port);
        raw.stream = raw.tcp.GetStream();
        return raw;
    }

    /// <summary>Sends a request on a connection of its own. <c>HOST</c> stands for the server's own name.</summary>
    /// <returns>The first answer, and whether the server closed the connection after it.</returns>
    public static async Task<(RawAnswer Answer, bool Closed)> AskAsync(TestServer server, string request)
    {
        using var raw = await ConnectAsync(server);
        await raw.SendAsync(request);
        var answer = await raw.ReadAsync();
        return (answer, answer.KeepsNothingOpen || await raw.IsClosedAsync());
    }

    /// <summary>Lines end with LF in the text and with CR LF on the wire; other control characters are sent as they are.</summary>
    public Task SendAsync(string request) =>
        SendBytesAsync(Encoding.Latin1.GetBytes(request.ReplaceLineEndings("\r\n").Replace("HOST", address.Authority, StringComparison.Ordinal)));

    public async Task SendBytesAsync(byte[] bytes)
    {
        try
        {
            await stream.WriteAsync(bytes);
        }
        catch (IOException)
        {
            // Refused before all was sent: the answer, if any, is there to be read.
        }
    }

    /// <summary>One answer, by its Content-Length; status 0 when the server closed without one.</summary>
    public async Task<RawAnswer> ReadAsync()
    {
        while (true)
        {
            var text = Encoding.Latin1.GetString([.. unread]);
            var end = text.IndexOf("\r\n\r\n", StringComparison.Ordinal);
            if (end >= 0)
            {
                var length = text[..end].Split("\r\n").Select(line => line.Split(": ", 2))
                    .FirstOrDefault(pair => pair[0].Equals("Content-Length", StringComparison.OrdinalIgnoreCase)) is [_, var number] ? int.Parse(number) : 0;
                if (unread.Count >= end + 4 + length)
                {
                    unread.RemoveRange(0, end + 4 + length);
                    return new RawAnswer(int.Parse(text.AsSpan(9, 3)), text[..end], text.Substring(end + 4, length));
                }
            }
            if (!await FillAsync()) return new RawAnswer(0, text, "");
        }
    }

    /// <summary>Whether the server has no more to say and closes.</summary>
    public async Task<bool> IsClosedAsync()
    {
        try
        {
            tcp.Client.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException)
        {
            return true;
        }
        return unread.Count == 0 && !await FillAsync();
    }

    public void Dispose() => tcp.Dispose();

    private async Task<bool> FillAsync()
    {
        using var patience = new CancellationTokenSource(Deadline);
        var buffer = new byte[8192];
        try
        {
            var read = await stream.ReadAsync(buffer, patience.Token);
            unread.AddRange(buffer.AsSpan(0, read));
            return read > 0;
        }
        catch (IOException)
        {
            return false;
        }
    }
}

/// <param name="Status">0: none came.</param>
/// <param name="Head">Status line and headers.</param>
/// <param name="Body">As Latin-1.</param>
public sealed record RawAnswer(int Status, string Head, string Body)
{
    public bool KeepsNothingOpen => Status == 0 || Head.Contains("Connection: close", StringComparison.OrdinalIgnoreCase);
}
