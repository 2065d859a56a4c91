using System.Buffers.Text;
using Gatehouse.Database;
using Microsoft.AspNetCore.Identity;

namespace Gatehouse.Users;

/// <summary>
/// What ASP.NET Core Identity's <see cref="PasskeyHandler{TUser}"/> asks of its users: who has that key, which passkeys are theirs. It only reads;
/// <see cref="Passkeys"/> writes. All else that a store of Identity's can do, nothing here asks for.
/// </summary>
internal sealed class PasskeyStore(Db db, UserAccounts accounts) : IUserPasskeyStore<User>
{
    public const string Columns = "p.credential_id, p.public_key, p.created, p.sign_count, p.transports, p.user_verified, p.backup_eligible, p.backed_up, p.name";

    public Task<string> GetUserIdAsync(User user, CancellationToken cancellationToken) => Task.FromResult(user.Id.ToString());

    public Task<string?> GetUserNameAsync(User user, CancellationToken cancellationToken) => Task.FromResult<string?>(user.Username);

    public async Task<User?> FindByIdAsync(string userId, CancellationToken cancellationToken) =>
        UserId.TryParse(userId, out var id) ? await accounts.FindAsync(id, cancellationToken) : null;

    public async Task<IList<UserPasskeyInfo>> GetPasskeysAsync(User user, CancellationToken cancellationToken) =>
        await db.AllAsync(OfUser, cancellationToken, ("user", user.Id.ToString()));

    public async Task<User?> FindByPasskeyIdAsync(byte[] credentialId, CancellationToken cancellationToken) =>
        await db.FirstAsync(Owner, cancellationToken, ("credential", Base64Url.EncodeToString(credentialId))) is { } owner ? await FindByIdAsync(owner, cancellationToken) : null;

    public Task<UserPasskeyInfo?> FindPasskeyAsync(User user, byte[] credentialId, CancellationToken cancellationToken) =>
        db.FirstAsync(OfUserAndId, cancellationToken, ("credential", Base64Url.EncodeToString(credentialId)), ("user", user.Id.ToString()));

    private static UserPasskeyInfo Read(Row row) => new(
        Base64Url.DecodeFromChars(row.Text(0)), Base64Url.DecodeFromChars(row.Text(1)), row.Time(2), (uint)row.Int(3), row.Text(4).Split(',', StringSplitOptions.RemoveEmptyEntries),
        row.Bool(5), row.Bool(6), row.Bool(7), attestationObject: [], clientDataJson: [])
    {
        Name = row.Text(8),
    };

    private static readonly Sql<UserPasskeyInfo> OfUser = new($"SELECT {Columns} FROM gatehouse_passkey p WHERE p.user_id = @user ORDER BY p.id", Read);

    private static readonly Sql<UserPasskeyInfo> OfUserAndId = new($"SELECT {Columns} FROM gatehouse_passkey p WHERE p.credential_id = @credential AND p.user_id = @user", Read);

    private static readonly Sql<string> Owner = new("SELECT p.user_id FROM gatehouse_passkey p WHERE p.credential_id = @credential", row => row.Text(0));

    public void Dispose()
    {
        // It holds nothing.
    }

    public Task AddOrUpdatePasskeyAsync(User user, UserPasskeyInfo passkey, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task RemovePasskeyAsync(User user, byte[] credentialId, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task SetUserNameAsync(User user, string? userName, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<string?> GetNormalizedUserNameAsync(User user, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task SetNormalizedUserNameAsync(User user, string? normalizedName, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IdentityResult> CreateAsync(User user, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IdentityResult> UpdateAsync(User user, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IdentityResult> DeleteAsync(User user, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<User?> FindByNameAsync(string normalizedUserName, CancellationToken cancellationToken) => throw new NotSupportedException();
}
