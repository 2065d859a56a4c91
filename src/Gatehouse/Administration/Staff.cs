using Gatehouse.Users;

namespace Gatehouse.Administration;

/// <summary>Somebody who may enter the admin site, with their permissions as they are at this request.</summary>
public sealed class Staff
{
    private readonly IReadOnlySet<string> permissions;

    internal Staff(User user, IReadOnlySet<string> permissions)
    {
        User = user;
        this.permissions = permissions;
    }

    /// <summary>Who it is.</summary>
    public User User { get; }

    /// <summary>Whether they have a permission, <c>app.codename</c>. Superusers have all.</summary>
    public bool Has(string permission) => User.IsSuperuser || permissions.Contains(permission);

    /// <summary>Whether they have all of these.</summary>
    public bool HasAll(IEnumerable<string> all) => User.IsSuperuser || all.All(permissions.Contains);

    /// <summary>
    /// Whether they may do something to objects of a model, as Django's admin decides: who may change may view, and who adds users must be
    /// allowed to change them too.
    /// </summary>
    /// <param name="action"><c>view</c>, <c>add</c>, <c>change</c> or <c>delete</c>.</param>
    /// <param name="model">What is asked about.</param>
    public bool May(string action, Model model) => action switch
    {
        "view" => Has(model.Permission("view")) || Has(model.Permission("change")),
        "add" => model.CanAdd && Has(model.Permission("add")) && (model.ToString() != "auth.user" || Has(model.Permission("change"))),
        "change" => model.CanChange && Has(model.Permission("change")),
        "delete" => model.CanDelete && Has(model.Permission("delete")),
        _ => false,
    };

    /// <summary>Whether there is anything of a model that they may do: else the index does not show it.</summary>
    public bool SeesAnything(Model model) => May("view", model) || May("add", model) || May("delete", model);
}
