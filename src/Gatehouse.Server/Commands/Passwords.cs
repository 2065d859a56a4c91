using System.Text;

namespace Gatehouse.Server.Commands;

/// <summary>Asking for a password at a terminal, twice and unseen.</summary>
internal static class Passwords
{
    public static string Ask(string prompt)
    {
        while (true)
        {
            var first = Read($"{prompt}: ");
            var second = Read($"{prompt} (again): ");
            if (first == second) return first;
            Console.Error.WriteLine("Error: Your passwords didn't match.");
        }
    }

    private static string Read(string prompt)
    {
        Console.Write(prompt);
        if (Console.IsInputRedirected)
        {
            Console.WriteLine();
            return Console.ReadLine() ?? throw new CommandException("There is nobody to ask; give the password another way.");
        }

        var text = new StringBuilder();
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key == ConsoleKey.Backspace) text.Length = Math.Max(0, text.Length - 1);
            else if (key.KeyChar != '\0') text.Append(key.KeyChar);
        }
        Console.WriteLine();
        return text.ToString();
    }
}
