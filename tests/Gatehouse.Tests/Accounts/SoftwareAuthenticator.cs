using System.Buffers.Binary;
using System.Buffers.Text;
using System.Formats.Cbor;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Gatehouse.Tests.Accounts;

/// <summary>A security key and the browser before it (WebAuthn Level 3 §6), which does as it is told, also what no real one would.</summary>
internal sealed class SoftwareAuthenticator : IDisposable
{
    private readonly ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);

    public byte[] Id { get; set; } = RandomNumberGenerator.GetBytes(32);
    public string Origin { get; set; } = "https://auth.example.com";
    public string RpId { get; set; } = "auth.example.com";
    public uint Counter { get; set; }

    /// <summary>By how much <see cref="Counter"/> goes up with each use; those that are shared between devices have none.</summary>
    public uint Step { get; set; } = 1;

    public bool IsPresent { get; set; } = true;
    public bool IsVerified { get; set; } = true;
    public bool IsEligible { get; set; }
    public bool IsBackedUp { get; set; }
    public bool IsCrossOrigin { get; set; }

    /// <summary>In COSE; -7 is ES256, which it is in truth.</summary>
    public int Algorithm { get; set; } = -7;

    /// <summary>The owner, as the options for making it say.</summary>
    public string? UserHandle { get; set; }

    /// <summary>What a page's script would send as <c>passkey</c>, for options that ask for a new one.</summary>
    public JsonObject Make(JsonNode asked, string type = "webauthn.create")
    {
        var options = asked["options"]!;
        UserHandle ??= (string)options["user"]!["id"]!;
        var cbor = new CborWriter(CborConformanceMode.Ctap2Canonical);
        cbor.WriteStartMap(3);
        cbor.WriteTextString("fmt");
        cbor.WriteTextString("none");
        cbor.WriteTextString("attStmt");
        cbor.WriteStartMap(0);
        cbor.WriteEndMap();
        cbor.WriteTextString("authData");
        cbor.WriteByteString(Data(PublicKey()));
        cbor.WriteEndMap();
        return Credential(asked, new JsonObject
        {
            ["clientDataJSON"] = Text(Client(options, type)),
            ["attestationObject"] = Text(cbor.Encode()),
            ["transports"] = new JsonArray("internal", "hybrid"),
        });
    }

    /// <summary>The same for options that ask for one that is there.</summary>
    public JsonObject Use(JsonNode asked, string type = "webauthn.get")
    {
        Counter += Step;
        var (client, data) = (Client(asked["options"]!, type), Data());
        return Credential(asked, new JsonObject
        {
            ["clientDataJSON"] = Text(client),
            ["authenticatorData"] = Text(data),
            ["signature"] = Text(key.SignData([.. data, .. SHA256.HashData(client)], HashAlgorithmName.SHA256, DSASignatureFormat.Rfc3279DerSequence)),
            ["userHandle"] = UserHandle,
        });
    }

    private JsonObject Credential(JsonNode asked, JsonObject response) => new()
    {
        ["state"] = asked["state"]?.DeepClone(),
        ["credential"] = new JsonObject { ["id"] = Text(Id), ["rawId"] = Text(Id), ["type"] = "public-key", ["clientExtensionResults"] = new JsonObject(), ["response"] = response },
    };

    private byte[] Client(JsonNode options, string type) => Encoding.UTF8.GetBytes(
        new JsonObject { ["type"] = type, ["challenge"] = options["challenge"]!.DeepClone(), ["origin"] = Origin, ["crossOrigin"] = IsCrossOrigin }.ToJsonString());

    private byte[] Data(byte[]? publicKey = null)
    {
        var flags = (IsPresent ? 1 : 0) | (IsVerified ? 4 : 0) | (IsEligible ? 8 : 0) | (IsBackedUp ? 16 : 0) | (publicKey is null ? 0 : 64);
        var (counter, length) = (new byte[4], new byte[2]);
        BinaryPrimitives.WriteUInt32BigEndian(counter, Counter);
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)Id.Length);
        byte[] head = [.. SHA256.HashData(Encoding.UTF8.GetBytes(RpId)), (byte)flags, .. counter];
        return publicKey is null ? head : [.. head, .. new byte[16], .. length, .. Id, .. publicKey];
    }

    private byte[] PublicKey()
    {
        var point = key.ExportParameters(includePrivateParameters: false).Q;
        var cbor = new CborWriter(CborConformanceMode.Ctap2Canonical);
        cbor.WriteStartMap(5);
        foreach (var (label, value) in new (int, int)[] { (1, 2), (3, Algorithm), (-1, 1) })
        {
            cbor.WriteInt32(label);
            cbor.WriteInt32(value);
        }
        cbor.WriteInt32(-2);
        cbor.WriteByteString(point.X!);
        cbor.WriteInt32(-3);
        cbor.WriteByteString(point.Y!);
        cbor.WriteEndMap();
        return cbor.Encode();
    }

    private static string Text(byte[] bytes) => Base64Url.EncodeToString(bytes);

    public void Dispose() => key.Dispose();
}
