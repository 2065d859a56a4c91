using System.CommandLine;
using Gatehouse.Users;
using Microsoft.Extensions.DependencyInjection;

namespace Gatehouse.Server.Commands;

/// <summary><c>gatehouse createsuperuser</c>: asks, or takes all from options and <c>DJANGO_SUPERUSER_*</c>.</summary>
internal static class CreateSuperuser
{
    public static Command Make(Func<ParseResult, CommandContext> context)
    {
        var username = new Option<string?>("--username") { Description = "The user name; otherwise asked for, or DJANGO_SUPERUSER_USERNAME." };
        var email = new Option<string?>("--email") { Description = "The e-mail address; otherwise asked for, or DJANGO_SUPERUSER_EMAIL." };
        var noinput = new Option<bool>("--noinput", "--no-input") { Description = "Ask nothing; the password is DJANGO_SUPERUSER_PASSWORD." };
        var command = new Command("createsuperuser", "Make a user who may do everything.") { username, email, noinput };
        CommandContext.SetAction(command, context, (parsed, services) => RunAsync(
            services.GetRequiredService<UserAccounts>(), parsed.GetValue(username), parsed.GetValue(email), asks: !parsed.GetValue(noinput)));
        return command;
    }

    private static async Task<int> RunAsync(UserAccounts accounts, string? username, string? email, bool asks)
    {
        username ??= Given("USERNAME");
        email ??= Given("EMAIL");
        var password = asks ? null : Given("PASSWORD");
        if (!asks)
        {
            if (username is null) throw new CommandException("You must use --username with --noinput.");
            if (Wrong(username) is { } wrong) throw new CommandException(wrong);
            if (!string.IsNullOrEmpty(email) && EmailAddress.Check(email) is { } wrongEmail) throw new CommandException(wrongEmail);
        }
        while (username is null || asks && Wrong(username) is not null)
        {
            if (username is not null) Console.Error.WriteLine("Error: " + Wrong(username));
            username = Ask("Username: ");
        }
        while (email is null && asks)
        {
            var given = Ask("Email address: ");
            if (given.Length == 0 || EmailAddress.Check(given) is null) email = given;
            else Console.Error.WriteLine("Error: " + EmailAddress.Check(given));
        }
        while (password is null && asks)
        {
            password = Passwords.Ask("Password");
            var weak = password.Length == 0 ? ["Blank passwords aren't allowed."] : accounts.CheckPassword(password, username, email ?? "");
            foreach (var message in weak) Console.Error.WriteLine(message);
            if (password.Length == 0 || weak.Count > 0 && !Ask("Bypass password validation and create user anyway? [y/N]: ").Equals("y", StringComparison.OrdinalIgnoreCase))
                password = null;
        }

        // Without a password the account is there but nobody can log in to it, as in Django.
        if (await accounts.CreateAsync(username, email ?? "", string.IsNullOrEmpty(password) ? null : password, isStaff: true, isSuperuser: true) is null)
            throw new CommandException("Error: That username is already taken.");
        Console.WriteLine("Superuser created successfully.");
        return 0;
    }

    private static string? Wrong(string username) =>
        username.Length == 0 ? "This field cannot be blank."
        : username.Length > Username.MaxLength ? $"Ensure this value has at most {Username.MaxLength} characters (it has {username.Length})."
        : Username.Check(username);

    private static string? Given(string name) => Environment.GetEnvironmentVariable("DJANGO_SUPERUSER_" + name) is { Length: > 0 } value ? value : null;

    private static string Ask(string prompt)
    {
        Console.Write(prompt);
        return Console.ReadLine()?.Trim() ?? throw new CommandException("There is nobody to ask; use --noinput with DJANGO_SUPERUSER_USERNAME and DJANGO_SUPERUSER_PASSWORD.");
    }
}
