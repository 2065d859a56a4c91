namespace Gatehouse.OAuth.Grants;

/// <summary>A device whose user has typed its code elsewhere, RFC 8628.</summary>
internal static class DeviceCodeGrant
{
    public const string Name = "urn:ietf:params:oauth:grant-type:device_code";
}
