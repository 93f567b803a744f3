#include "model.h"

void model_init(struct model *model, const struct scene *scene, struct summary *summary)
{
    *model = (struct model){.scene = scene, .summary = summary, .next_due_ms = NEVER};
    for (unsigned g = 0; g < scene->group_count; g++) {
        model->groups[g].index = g;
        model->groups[g].scene = &scene->groups[g];
        if (scene->groups[g].is_declared)
            model_declare(model, &model->groups[g]);
    }
}

void model_deinit(struct model *model)
{
    arena_free(&model->arena);
}
