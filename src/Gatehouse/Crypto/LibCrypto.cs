using System.Runtime.InteropServices;

namespace Gatehouse.Crypto;

/// <summary>The functions of OpenSSL that .NET does not offer.</summary>
internal static class LibCrypto
{
    private static readonly nint Library =
        NativeLibrary.TryLoad("libcrypto.so.3", out var library) || NativeLibrary.TryLoad("libcrypto.so.1.1", out library) ? library : 0;

    /// <summary>The address of a function, or 0 where OpenSSL or the function is missing.</summary>
    public static nint Export(string function) =>
        Library != 0 && NativeLibrary.TryGetExport(Library, function, out var address) ? address : 0;
}
