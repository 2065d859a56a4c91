using System.Security.Cryptography;
using Gatehouse.Crypto;
using Xunit;

namespace Gatehouse.Tests.Crypto;

public sealed class FastPbkdf2Tests
{
    [Fact]
    public void It_gives_what_the_framework_gives_for_any_input()
    {
        var random = new Random(20261122);
        for (var i = 0; i < 500; i++)
        {
            var (password, salt) = (new byte[random.Next(200)], new byte[random.Next(150)]);
            random.NextBytes(password);
            random.NextBytes(salt);
            var rounds = random.Next(1, 300);

            Assert.Equal(
                Rfc2898DeriveBytes.Pbkdf2(password, salt, rounds, HashAlgorithmName.SHA256, 32),
                FastPbkdf2.Derive(password, salt, rounds));
        }
    }

    [Fact]
    public void Many_threads_do_not_disturb_each_other() => Parallel.For(0, 200, i =>
    {
        var (password, salt) = (BitConverter.GetBytes(i), new byte[] { 1, 2, 3 });

        Assert.Equal(
            Rfc2898DeriveBytes.Pbkdf2(password, salt, 500, HashAlgorithmName.SHA256, 32),
            FastPbkdf2.Derive(password, salt, 500));
    });

    [Fact]
    public void The_fast_way_is_in_use()
    {
        if (LibCrypto.Export("SHA256_Transform") == 0) Assert.Skip("This system's OpenSSL does not export SHA256_Transform.");

        Assert.True(FastPbkdf2.IsFast);
    }
}
