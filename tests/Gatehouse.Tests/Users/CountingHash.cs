using Gatehouse.Crypto;

namespace Gatehouse.Tests.Users;

/// <summary>A hash that costs nothing and counts its runs: <c>counting$rounds$password</c>. Each round is a unit of work.</summary>
internal sealed class CountingHash : PasswordHash
{
    private const int Rounds = 10;
    private int runs;

    /// <summary>How often a whole hash was computed.</summary>
    public double Runs => Volatile.Read(ref runs) / (double)Rounds;

    /// <summary>Called in each run: to hold the threads that hash.</summary>
    public Action? Running { get; set; }

    public override string Algorithm => "counting";

    public string Encode(string password, int rounds = Rounds) => $"counting${rounds}${Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(password)))}";

    public override string Make(string password, string salt)
    {
        Work(Rounds);
        return Encode(password);
    }

    public override bool Verify(string password, string encoded)
    {
        Work(RoundsOf(encoded));
        return encoded == Encode(password, RoundsOf(encoded));
    }

    public override bool MustUpdate(string encoded) => RoundsOf(encoded) != Rounds;

    public override void HardenRuntime(string password, string encoded) => Work(Rounds - RoundsOf(encoded));

    public override string? Refuse(string encoded) => encoded.Split('$').Length == 3 ? null : Malformed;

    private static int RoundsOf(string encoded) => int.Parse(encoded.Split('$')[1]);

    private void Work(int rounds)
    {
        Running?.Invoke();
        Interlocked.Add(ref runs, rounds);
    }
}
